-- The requests that wrk sends in bench-service, one a line of a file: METHOD PATH BODY. All connections draw from the
-- same lines one after the other, so that none is sent twice before all were. The last line of the output is a record.

local lines, at = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
    lines[#lines + 1] = wrk.format(method, path, {["Content-Type"] = "application/json"}, body ~= "" and body or nil)
  end
  at = tonumber(arguments[2]) - 1 -- wrk asks for one request at first that it does not send
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
