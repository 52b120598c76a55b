#!/usr/bin/env bash
# Builds the images and runs docker-compose.yml: a first start, a search, a swap by a publish from the builder's container, a
# rollback, a fleet that loses a replica, load, and `down`. Searches continue meanwhile, and none may be lost.
#
#     docker/test.sh        # BASE_IMAGE, BUILD_NETWORK, SHOP_PRODUCTS and PROMETHEUS_IMAGE are passed to docker-compose.yml
#
# Needs a Docker engine with Compose 2, curl and python3. Everything it makes except the images is removed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

export VITRINE_ADMIN_TOKEN=${VITRINE_ADMIN_TOKEN:-test-$(python3 -c 'import secrets; print(secrets.token_hex(16))')}
export PORT=${PORT:-18000} ADMIN_PORT=${ADMIN_PORT:-18001} FLEET_PORT=${FLEET_PORT:-18080} PROMETHEUS_PORT=${PROMETHEUS_PORT:-19090}
export VITRINE_TAG=${VITRINE_TAG:-test}
SERVICE=http://127.0.0.1:$PORT
FLEET=http://127.0.0.1:$FLEET_PORT
PROMETHEUS=http://127.0.0.1:$PROMETHEUS_PORT
SCRATCH=$(mktemp -d)
STEADY=

say() { echo; echo "== $(date +%T) $*"; }
fail() { echo "docker/test.sh: FAILED: $*" >&2; exit 1; }
compose() { docker compose --project-name vitrine-test --profile '*' "$@"; }
json() { python3 -c "import json, sys; answer = json.load(sys.stdin); print($1)"; }
version_at() { curl -fsS "$1/health" | json 'answer["index_version"]'; }

await() { # SECONDS WHAT COMMAND...: wait until the command succeeds
  local end=$((SECONDS + $1))
  until "${@:3}" 2>/dev/null; do
    test $SECONDS -lt $end || fail "not within $1 s: $2"
    sleep 0.5
  done
}
is_ready() { curl -fsS -o /dev/null "$1/ready"; }
serves() { test "$(version_at "$1")" = "$2"; }

searches_begin() { # URL [OPTION]
  python3 docker/steady.py "$@" > "$SCRATCH/steady.json" & STEADY=$!
  sleep 2
}
searches_end() { # MINIMUM NUMBER OF VERSIONS that answered
  kill "$STEADY"; wait "$STEADY"; STEADY=
  json '"searches meanwhile: {} answered, {} failed; by version: {}".format(answer["answered"], len(answer["failures"]), answer["versions"])' < "$SCRATCH/steady.json"
  python3 -c 'import json, sys; o = json.load(open(sys.argv[1])); sys.exit(bool(o["failures"]) or o["answered"] < 1 or len(o["versions"]) < int(sys.argv[2]))' \
    "$SCRATCH/steady.json" "$1" || fail "searches were lost, or not answered by $1 versions: $(cat "$SCRATCH/steady.json")"
}

clean_up() {
  status=$?
  test -z "$STEADY" || kill "$STEADY" 2>/dev/null || true
  test $status -eq 0 || compose logs --tail 20 || true
  compose down --volumes --timeout 5 >/dev/null 2>&1 || true
  rm -rf "$SCRATCH"
  exit $status
}

docker info >/dev/null 2>&1 || fail "no Docker engine answers (docker info); nothing was tested"
docker compose version >/dev/null 2>&1 || fail "this Docker has no Compose 2 (docker compose version); nothing was tested"
trap clean_up EXIT
compose down --volumes >/dev/null 2>&1 || true

say "a missing secret is refused with a message"
if env -u VITRINE_ADMIN_TOKEN docker compose config > /dev/null 2> "$SCRATCH/refusal"; then fail "it was not refused"; fi
grep -F "required variable VITRINE_ADMIN_TOKEN is missing" "$SCRATCH/refusal" || fail "$(cat "$SCRATCH/refusal")"

say "build"
began=$SECONDS
compose build --quiet first-version service builder balancer load
echo "built in $((SECONDS - began)) s"
docker image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep -E "^vitrine-[a-z]+:$VITRINE_TAG "
bytes=$(docker image inspect --format '{{.Size}}' "vitrine-service:$VITRINE_TAG")
test "$bytes" -lt 1000000000 || fail "the service's image has $bytes bytes: expected less than 1 GB"
docker run --rm --entrypoint python "vitrine-service:$VITRINE_TAG" -c '
import importlib.util, os
named = ["torch", "lightning", "ray", "duckdb", "matplotlib", "training", "evaluation", "index_builder"]
found = [name for name in named if importlib.util.find_spec(name)]
print("the image of the service runs as user", os.getuid(), "and holds of", named, found)
raise SystemExit(bool(found) or os.getuid() == 0)' || fail "the service's image contains packages that it must not contain"

say "a change of code rebuilds the service"
mkdir "$SCRATCH/changed"
tar -c --exclude ./.git --exclude ./.venv --exclude ./var . | tar -x -C "$SCRATCH/changed"
echo "# changed" >> "$SCRATCH/changed/service/__init__.py"
began=$SECONDS
docker compose --project-directory "$SCRATCH/changed" -f "$SCRATCH/changed/docker-compose.yml" build --quiet service
echo "rebuilt in $((SECONDS - began)) s"
compose build --quiet service

say "first start with empty volumes"
began=$SECONDS
compose up --detach --no-build service
await 180 "the service is ready" is_ready "$SERVICE"
first=$(version_at "$SERVICE")
echo "first search possible after $((SECONDS - began)) s; it serves $first"
compose logs --no-log-prefix first-version | tail -4 | sed 's/\x1b\[2K//'

say "admin routes and metrics are on the admin port only"
for route in admin/index metrics; do
  public=$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $VITRINE_ADMIN_TOKEN" "$SERVICE/$route")
  admin=$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $VITRINE_ADMIN_TOKEN" "http://127.0.0.1:$ADMIN_PORT/$route")
  echo "/$route: $public, $admin"
  test "$public $admin" = "404 200" || fail "expected 404 and 200"
done

say "a search from the host"
curl -fsS "$SERVICE/search" -H 'content-type: application/json' -d '{"query": "red striped mug", "k": 3}' \
  | json '"\n".join([answer["index_version"]] + ["{rank} {score:.3f} {product_id} {title}".format(**hit) for hit in answer["hits"]])'

say "the container's root cannot be written to"
refusal=$(compose exec -T service touch /opt/venv/x 2>&1) && fail "it can be written to"
grep -F "Read-only file system" <<< "$refusal" || fail "$refusal"

say "swap by a publish from the builder's container"
searches_begin "$SERVICE"
compose run --rm --no-deps builder build --bundle /vitrine/3tmm-prior --catalog /vitrine/shop/catalog.parquet --store /store --explain \
  --publish > "$SCRATCH/builder.log" 2>&1 || fail "$(cat "$SCRATCH/builder.log")"
tail -3 "$SCRATCH/builder.log" | sed 's/\x1b\[2K//'
second=$(compose run --rm --no-deps -T --entrypoint cat builder /store/CURRENT | json 'answer["version"]')
test "$second" != "$first" || fail "the builder published no other version"
await 180 "the service serves $second" serves "$SERVICE" "$second"
echo "it serves $second"

say "rollback"
compose run --rm --no-deps builder rollback --store /store
await 180 "the service serves $first" serves "$SERVICE" "$first"
echo "it serves $first again"
searches_end 2

say "a second start makes nothing again"
compose up --detach --no-build service
compose logs --no-log-prefix first-version | tail -1 | grep -F "publishes a version already" || fail "it made something again"

say "a fleet behind the balancer: one publish swaps all replicas, and no search is lost when a replica stops"
compose up --detach --no-build balancer
await 180 "the balancer answers" is_ready "$FLEET"
searches_begin "$FLEET"
compose run --rm --no-deps builder publish --store /store --version "$second"
for replica in $(compose ps --quiet replica); do
  address=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$replica")
  await 180 "every replica serves $second" serves "http://$address:8000" "$second"
  echo "replica $address serves $second"
done
replicas=$(compose ps --quiet replica)
replica=${replicas%%$'\n'*}
docker stop "$replica" > /dev/null
sleep 2
docker start "$replica" > /dev/null
sleep 5
searches_end 2
compose stop balancer replica 2>/dev/null

say "observability"
if docker image inspect "${PROMETHEUS_IMAGE:-prom/prometheus:v3.5.0}" >/dev/null 2>&1 || compose pull --quiet prometheus 2>/dev/null; then
  compose up --detach --no-build prometheus
  is_scraped() { curl -fsS "$PROMETHEUS/api/v1/query?query=vitrine_index_version" | json 'answer["data"]["result"][0]["metric"]["version"]' | grep -Fx "$second"; }
  await 180 "Prometheus knows the served version" is_scraped
  curl -fsS "$PROMETHEUS/api/v1/rules" | json '"alerts: " + ", ".join("{name} {state}".format(**rule) for group in answer["data"]["groups"] for rule in group["rules"])'
  compose exec -T prometheus promtool test rules /etc/prometheus/alerts.test.yml
else
  echo "NOT RUN: there is no image of Prometheus, and none can be pulled"
fi
if docker image inspect "${GRAFANA_IMAGE:-grafana/grafana:12.1.0}" >/dev/null 2>&1 || compose pull --quiet grafana 2>/dev/null; then
  compose up --detach --no-build grafana
  await 180 "Grafana has the dashboard" curl -fsS -o /dev/null "http://127.0.0.1:${GRAFANA_PORT:-3000}/api/dashboards/uid/vitrine"
  echo "Grafana has the dashboard"
else
  echo "NOT RUN: there is no image of Grafana, and none can be pulled"
fi

say "simulated shoppers for 20 s, with a swap and a rollback"
LOAD_ADMIN_TOKEN=$VITRINE_ADMIN_TOKEN compose run --rm --no-deps -T -e LOAD_MAX_P99_MS="${LOAD_MAX_P99_MS:-250}" load \
  --headless --users 30 --spawn-rate 30 --run-time 20s --only-summary > "$SCRATCH/load.log" 2>&1 \
  || fail "$(tail -40 "$SCRATCH/load.log")"
grep '^load:' "$SCRATCH/load.log"

say "down under searches"
docker logs --follow "$(compose ps --quiet service)" > "$SCRATCH/service.log" 2>&1 & logs=$!
searches_begin "$SERVICE" --until-failure
compose down --timeout 25 2> "$SCRATCH/down.log" || fail "$(cat "$SCRATCH/down.log")"
wait "$STEADY"; STEADY=
kill $logs 2>/dev/null || true
# A draining service accepts requests for one more second (VITRINE_DRAIN_NOTICE_SECONDS) and answers those it has accepted.
python3 - "$SCRATCH" <<'PYTHON'
import json, sys
from datetime import datetime
from pathlib import Path

folder = Path(sys.argv[1])
lines = [json.loads(line) for line in (folder / "service.log").read_text().splitlines() if line.startswith("{")]
drained_at = next(datetime.fromisoformat(line["time"]).timestamp() for line in lines if line["event"] == "draining")
outcome = json.loads((folder / "steady.json").read_text())
first = min(began for began, _ in outcome["failures"])
print(f"{outcome['answered']} searches were answered; the first that was not began {first - drained_at:.2f} s after the "
      f"signal: {outcome['failures'][0][1]}")
sys.exit(first < drained_at + 1)
PYTHON

say "all passed"
