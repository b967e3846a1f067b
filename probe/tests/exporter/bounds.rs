//! Many scrapes at once, half of them of hosts whose SYNs are dropped.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::{Answer, Dropping, Exporter, kms_host, mute_host, until};

const IN_FLIGHT: &str = "kms_probe_exporter_in_flight";

#[test]
fn two_hundred_scrapes_at_once_stay_within_the_bounds_and_healthy_hosts_are_told() {
    const PLACES: f64 = 32.0;
    let (_server, healthy) = kms_host();
    let dropping = Dropping::new();
    let modules = "[targets]\nallow = [\"127.0.0.0/8:*\"]\n[module.rpc]\ntcp_timeout = \"500ms\"\n";
    let exporter = Exporter::new(modules, &["--concurrency", "32"]);
    let done = AtomicBool::new(false);
    let (answers, most) = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = Usage::default();
            while !done.load(Ordering::Relaxed) {
                most = most.max(Usage::of(&exporter));
            }
            most
        });
        let scrapes: Vec<_> = (0..200_u16)
            .map(|number| {
                let port = if number % 2 == 0 { healthy } else { dropping.port };
                let exporter = &exporter;
                let target = format!("127.0.{}.{}:{port}", 1 + number / 100, 1 + number % 100);
                scope.spawn(move || (number % 2 == 0, exporter.scrape(&target, "rpc", "120")))
            })
            .collect();
        let answers: Vec<(bool, Answer)> =
            scrapes.into_iter().map(|scrape| scrape.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        (answers, watching.join().unwrap())
    });
    for (is_healthy, answer) in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        let (success, verdict) = match is_healthy {
            true => ("\nprobe_success 1\n", "verdict=\"rpc.ok\""),
            false => ("\nprobe_success 0\n", "verdict=\"tcp.timeout\""),
        };
        assert!(answer.body.contains(success) && answer.body.contains(verdict), "{}", answer.body);
    }
    assert!(most.in_flight <= PLACES, "{most:?}");
    assert!(most.in_flight > 1.0, "probes ran at the same time: {most:?}");
    // A connection for each scrape, a socket or two for each place, and what every process has.
    assert!(most.descriptors <= 200 + 2 * 32 + 40, "{most:?}");
    assert!(most.memory_kib <= 100 * 1024, "{most:?}");
    until("all places are free", || exporter.own(IN_FLIGHT) == Some(0.0));
}

#[test]
fn a_scrape_that_finds_no_place_in_its_time_is_told_to_come_again() {
    let (listener, port) = mute_host();
    let modules = "[targets]\nallow = [\"127.0.0.0/8:*\"]\n[module.rpc]\ntimeout = \"30s\"\n";
    let exporter = Exporter::new(modules, &["--concurrency", "1"]);
    let target = format!("127.0.0.1:{port}");
    thread::scope(|scope| {
        let first = scope.spawn(|| exporter.scrape(&target, "rpc", "60"));
        until("the place is taken", || exporter.own(IN_FLIGHT) == Some(1.0));
        let second = exporter.scrape(&target, "rpc", "0.7");
        assert_eq!(second.status, 503, "{second:?}");
        assert_eq!(second.headers["retry-after"], "1");
        assert!(second.body.contains("all 1 places were taken"), "{second:?}");
        let busy = exporter.own("kms_probe_exporter_refused_total{reason=\"busy\"}");
        assert_eq!(busy, Some(1.0));
        // The kernel resets what nobody accepted, which ends the first.
        drop(listener);
        let first = first.join().unwrap();
        assert!(first.body.contains("\nprobe_success 0\n"), "{first:?}");
    });
    until("the place is free", || exporter.own(IN_FLIGHT) == Some(0.0));
}

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    in_flight: f64,
    descriptors: usize,
    memory_kib: u64,
}

impl Usage {
    fn of(exporter: &Exporter) -> Self {
        let process = format!("/proc/{}", exporter.pid());
        let status = fs::read_to_string(format!("{process}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        Self {
            in_flight: exporter.own(IN_FLIGHT).unwrap(),
            descriptors: fs::read_dir(format!("{process}/fd")).unwrap().count(),
            memory_kib: memory.trim().trim_end_matches(" kB").parse().unwrap(),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            in_flight: self.in_flight.max(other.in_flight),
            descriptors: self.descriptors.max(other.descriptors),
            memory_kib: self.memory_kib.max(other.memory_kib),
        }
    }
}
