# A bucket of SeaweedFS on loopback, behind a line that counts, and that can be long. Sourced by bucket.sh and
# downtime.sh, after measure.sh; they set `rate`.
weed=target/tools/seaweedfs/weed
s3=18333 line=18433 control=18533
export AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=bench-secret AWS_REGION=us-east-1

start_server() {
  [ -x "$weed" ] || { say "tests/run.sh servers installs $weed"; exit 1; }
  trap 'kill ${servers:-} ${line_server:-} 2>/dev/null || true' EXIT
  mkdir -p "$work/weed"
  cat >"$work/identities" <<END
{"identities": [{"name": "bench", "actions": ["Admin", "Read", "List", "Write"],
  "credentials": [{"accessKey": "bench", "secretKey": "bench-secret"}]}]}
END
  "$weed" server -ip=127.0.0.1 -ip.bind=127.0.0.1 -filer -s3 -s3.port=$s3 -s3.config="$work/identities" \
    -s3.iam=false -s3.port.iceberg=0 -s3.port.lance=0 -master.port=19333 -volume.port=19380 -filer.port=19388 \
    -master.volumeSizeLimitMB=512 -volume.max=10000 -dir="$work/weed" >"$work/log/weed" 2>&1 &
  servers=$!
  until curl -sf -X POST "http://127.0.0.1:19388/buckets/bench/" >/dev/null 2>&1; do sleep 1; done
}

start_line() { # MILLISECONDS
  [ -z "${line_server:-}" ] || kill "$line_server"
  python3 benches/line.py $line $s3 $control "$1" $rate &
  line_server=$!
  until counted >/dev/null 2>&1; do sleep 0.1; done
}

counted() { exec 3<>"/dev/tcp/127.0.0.1/$control" && cat <&3 && exec 3>&-; }
