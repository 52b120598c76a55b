-- The script of wrk in bench-service. It sends the requests of a file, one per line: METHOD PATH BODY. All connections
-- take the next line of the same sequence, so that no line is sent again before all have been sent. The last line of
-- the output is a JSON record of the results.

local lines, at = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
    lines[#lines + 1] = wrk.format(method, path, {["Content-Type"] = "application/json"}, body ~= "" and body or nil)
  end
  at = tonumber(arguments[2]) - 1 -- wrk first calls request() once without sending the result
end

function request()
  at = at % #lines + 1
  return lines[at]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "failed": %d, "mean_ms": %.6f, "p50_ms": %.6f, "p99_ms": %.6f}\n',
    summary.requests, summary.duration / 1e6, failed, latency.mean / 1e3, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3))
end
