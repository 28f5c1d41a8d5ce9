// SPDX-License-Identifier: MIT

//! N tasks asleep until one deadline: memory of each, time to start and to wake them all.
//!
//! The counts are statics, so that a task's future holds nothing but its deadline and the timer.

use crate::{cpu_ns, report};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

static ARMED: AtomicI64 = AtomicI64::new(0);
static WOKEN: AtomicI64 = AtomicI64::new(0);
/// When the last task woke: wall time, CPU time.
static LAST: Mutex<Option<(Instant, i64)>> = Mutex::new(None);

/// A figure of /proc/self/status in bytes: "VmRSS" (resident), "VmPTE" (page tables).
fn status_bytes(key: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.split(':').next() == Some(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

async fn sleep(deadline: Instant, count: i64) {
    ARMED.fetch_add(1, Relaxed);
    tokio::time::sleep_until(deadline).await;
    if WOKEN.fetch_add(1, Relaxed) + 1 == count {
        *LAST.lock().unwrap() = Some((Instant::now(), cpu_ns()));
    }
}

pub async fn bench(param: &str, seconds: &str) {
    let count: i64 = param.parse().unwrap();
    let (resident, page_tables) = (status_bytes("VmRSS"), status_bytes("VmPTE"));
    let (wall_begun, cpu_begun) = (Instant::now(), cpu_ns());
    let deadline = wall_begun + Duration::from_secs_f64(seconds.parse().unwrap());
    for _ in 0..count {
        tokio::spawn(sleep(deadline, count));
    }
    while ARMED.load(Relaxed) < count {
        tokio::task::yield_now().await;
    }
    let (wall_armed, cpu_start) = (Instant::now(), cpu_ns() - cpu_begun);
    let (resident, page_tables) =
        (status_bytes("VmRSS") - resident, status_bytes("VmPTE") - page_tables);
    let cpu_armed = cpu_ns();
    while WOKEN.load(Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (wall_woken, cpu_woken) = LAST.lock().unwrap().unwrap();
    if wall_armed > deadline || wall_woken < deadline {
        println!("# sleepers {param}: not all asleep at the deadline, or woken early");
        std::process::exit(1);
    }
    let each = count as f64;
    report("sleepers", param, "resident", resident / each);
    report("sleepers", param, "page_tables", page_tables / each);
    report("sleepers", param, "start", (wall_armed - wall_begun).as_secs_f64() * 1e3);
    report("sleepers", param, "wake", (wall_woken - deadline).as_secs_f64() * 1e3);
    report("sleepers", param, "start_cpu", cpu_start as f64 / each);
    report("sleepers", param, "wake_cpu", (cpu_woken - cpu_armed) as f64 / each);
}
