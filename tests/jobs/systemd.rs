//! The units that `schedule` writes, as a systemd runs them, on a machine that boots.

use crate::common::machine::{ICECORE, Machine};

/// A job whose run can be made to last while it has stopped something, and whose hook writes down what surrounds it.
const FILE: &str = r#"
[agent]
jitter = "0s"
[metrics]
textfile = "/var/lib/figures/icecore.prom"
[repository.one]
url = "/backup/one"
key_file = "/etc/icecore/one.key"
[job.app]
source = ["/srv/app", { command = "sh /srv/command", name = "x" }]
to = ["one"]
schedule = "* * * * *"
stop = { stop = "touch /backup/stopped", start = "rm /backup/stopped" }
hooks.before = "env >/backup/env; touch /etc/mine /usr/mine 2>/backup/refused || true"
"#;

/// What it captures.
const COMMAND: &str = "
if [ -e /backup/slow ]; then
  touch /backup/captures
  while sleep 0.1; do head -c 4000000 /dev/urandom; done
fi
echo x
";

/// What is remembered of a run long ago, so that one is due at once.
const DUE: &str =
    r#"[{"job":"app","task":"backup","schedule":"* * * * *","served":"2026-01-01T00:00:00Z"}]"#;

/// With the file, what it names, and units.
fn prepare(machine: &Machine, file: &str, options: &str) {
    machine.write("/etc/icecore/config.toml", file);
    machine.write("/srv/app/file", "content");
    machine.write("/srv/command", COMMAND);
    machine.says(&format!(
        "umask 077; mkdir -p /backup /var/lib/figures; chmod 755 /var/lib/figures
         echo secret >/etc/icecore/password
         {ICECORE} --repo /backup/one --password-file /etc/icecore/password init
         {ICECORE} --repo /backup/one --password-file /etc/icecore/password \
           key add --new-key-file /etc/icecore/one.key
         {ICECORE} schedule --systemd /etc/systemd/system {options}
         systemctl daemon-reload"
    ));
}

/// How many snapshots there are.
fn snapshots(machine: &Machine) -> usize {
    let list =
        format!("{ICECORE} --repo /backup/one --key-file /etc/icecore/one.key snapshots --json");
    machine.says(&list).lines().count()
}

/// Waits until a run captures that lasts, and what it has stopped stands still.
fn wait_for_capture(machine: &Machine) {
    machine.wait_until("test -e /backup/captures");
    machine.says("rm /backup/captures; test -e /backup/stopped");
}

/// A timer begins a run at its time, as the user who wrote it and with that home, kept from what it need not write; anybody
/// may read its figures. Asked to end, the run starts what it has stopped; and what a power cut has left stopped is
/// started when the machine boots.
#[test]
fn timers_begin_runs() {
    let machine = Machine::boot();
    prepare(&machine, FILE, "");
    machine.says("systemctl enable --now icecore-app-backup.timer icecore-start-stopped.service");
    machine.wait_until("test -e /var/lib/figures/icecore.prom");
    machine.says("systemctl disable --now icecore-app-backup.timer");
    machine.wait_until("! systemctl is-active icecore-app-backup.service");
    let result = machine.says("systemctl show icecore-app-backup.service -P Result -P NRestarts");
    assert_eq!(result, "success\n0");
    assert!(snapshots(&machine) > 0);
    let env = machine.says("cat /backup/env");
    assert!(env.lines().any(|line| line == "HOME=/root"), "{env}");
    let refused = machine.says("cat /backup/refused");
    assert!(refused.contains("/etc/mine") && refused.contains("/usr/mine"), "{refused}");
    assert_eq!(machine.says("stat -c %a /var/lib/figures/icecore.prom"), "644");
    // What hooks snapshot by, LVM and ZFS, are devices.
    let devices = "systemctl show icecore-app-backup.service -P DevicePolicy -P DeviceAllow";
    assert_eq!(machine.says(devices), "auto");

    machine.says("touch /backup/slow; systemctl start --no-block icecore-app-backup.service");
    wait_for_capture(&machine);
    machine.says("systemctl stop icecore-app-backup.service; ! test -e /backup/stopped");

    machine.says("systemctl start --no-block icecore-app-backup.service");
    wait_for_capture(&machine);
    machine.crash();
    machine.wait_until("! test -e /backup/stopped");
}

/// The agent is a service that is there once it says so. It gives signs of life, and is started again when it is
/// killed or gives none; stopped, it ends its runs, which start what they have stopped, and the next one makes them up.
#[test]
fn the_agent_is_a_service() {
    let machine = Machine::boot();
    prepare(&machine, FILE, "--agent");
    machine.write(
        "/etc/systemd/system/icecore-agent.service.d/sooner.conf",
        "[Service]\nRestartSec=100ms\nWatchdogSec=10s",
    );
    machine.write("/root/.local/state/icecore/agent.json", DUE);
    machine
        .says("touch /backup/slow; systemctl daemon-reload; systemctl enable --now icecore-agent");
    let property = |name: &str| machine.says(&format!("systemctl show icecore-agent -P {name}"));
    assert_eq!(property("ActiveState"), "active");
    wait_for_capture(&machine);
    machine.says("systemctl stop icecore-agent; ! test -e /backup/stopped");
    assert_eq!((property("Result"), snapshots(&machine)), ("success".to_owned(), 0));

    machine.says("rm /backup/slow; systemctl start icecore-agent; systemctl reload icecore-agent");
    machine.wait_until("test -e /var/lib/figures/icecore.prom");
    assert!(snapshots(&machine) > 0);
    let begun = property("WatchdogTimestampMonotonic");
    machine.wait_until(&format!(
        "test $(systemctl show icecore-agent -P WatchdogTimestampMonotonic) != {begun}"
    ));
    assert_eq!(property("NRestarts"), "0");
    for (signal, restarts) in [("KILL", "1"), ("STOP", "2")] {
        machine.says(&format!("systemctl kill --kill-whom main --signal {signal} icecore-agent"));
        machine.wait_until(&format!(
            "test $(systemctl show icecore-agent -P NRestarts) = {restarts}
             systemctl is-active icecore-agent"
        ));
    }
    // The journal takes the priorities of lines for what they are.
    let said = machine.says("journalctl -u icecore-agent -p info -o cat --no-pager");
    assert!(said.lines().any(|line| line.starts_with("app backup: run started")), "{said}");
}

/// A password that systemd keeps encrypted reaches a run as its unit says that it would.
#[test]
fn systemd_hands_over_a_password() {
    let machine = Machine::boot_without_mounts();
    let file = FILE.replace(
        "key_file = \"/etc/icecore/one.key\"",
        "password_command = \"systemd-creds cat local.password\"",
    );
    prepare(&machine, &file, "");
    machine.says(
        "mkdir -pm 700 /etc/credstore.encrypted
         systemd-creds encrypt - /etc/credstore.encrypted/local.password </etc/icecore/password
         rm /etc/icecore/password
         sed -i 's/^#Load/Load/' /etc/systemd/system/icecore-app-backup.service
         systemctl daemon-reload; systemctl start icecore-app-backup.service",
    );
    assert_eq!(snapshots(&machine), 1);
}
