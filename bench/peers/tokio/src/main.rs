// SPDX-License-Identifier: MIT

//! tokio's part in the benches: the current_thread runtime with its I/O and time drivers on.
//!
//! It does what bench/weft/core.c does, in the way a tokio programmer would write it, and prints
//! the same result lines (bench/common/bench.h). The body of each bench is itself a spawned task:
//! in the root future of `block_on` each wake-up costs a look at the driver (1,120 ns instead of
//! about 100 for a spawn and join), which no server's code pays.

mod echo;
mod sleepers;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::Instant;

/// CPU time of this process.
pub fn cpu_ns() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

pub fn report(bench: &str, param: &str, metric: &str, value: f64) {
    println!("R\t{bench}\t{param}\t{metric}\t{value:.4}");
}

async fn bench_switch() {
    let count = 5_000_000;
    tokio::spawn(async move {
        for _ in 0..count + 10 {
            yield_now().await
        }
    });
    let begun = cpu_ns();
    for _ in 0..count {
        yield_now().await
    }
    report("switch", "", "round_trip", (cpu_ns() - begun) as f64 / count as f64);
}

async fn spawn_sequential(count: i64) {
    let mut sum = 0;
    let begun = cpu_ns();
    for _ in 0..count {
        sum += tokio::spawn(async { 42i64 }).await.unwrap();
    }
    report("spawn_join", "seq", "per_task", (cpu_ns() - begun) as f64 / count as f64);
    assert_eq!(sum, 42 * count);
}

async fn spawn_batches(count: i64) {
    let mut sum = 0;
    let mut batch = Vec::with_capacity(1000);
    let begun = cpu_ns();
    for _ in 0..count / 1000 {
        for _ in 0..1000 {
            batch.push(tokio::spawn(async { 42i64 }));
        }
        for handle in batch.drain(..) {
            sum += handle.await.unwrap();
        }
    }
    report("spawn_join", "batch1000", "per_task", (cpu_ns() - begun) as f64 / count as f64);
    assert_eq!(sum, 42 * count);
}

/// All tasks run before the clock starts, as in the other systems.
async fn bench_yield_ring(param: &str) {
    static STARTED: AtomicI64 = AtomicI64::new(0);
    static FINISHED: AtomicI64 = AtomicI64::new(0);
    static BEGIN: AtomicBool = AtomicBool::new(false);
    static ENDED: AtomicI64 = AtomicI64::new(0);
    let tasks: i64 = param.parse().unwrap();
    let rounds = 10_000_000 / tasks;
    let mut handles = Vec::new();
    for _ in 0..tasks {
        handles.push(tokio::spawn(async move {
            STARTED.fetch_add(1, Relaxed);
            while !BEGIN.load(Relaxed) {
                yield_now().await
            }
            for _ in 0..rounds {
                yield_now().await
            }
            if FINISHED.fetch_add(1, Relaxed) + 1 == tasks {
                ENDED.store(cpu_ns(), Relaxed);
            }
        }));
    }
    while STARTED.load(Relaxed) < tasks {
        yield_now().await
    }
    let begun = cpu_ns();
    BEGIN.store(true, Relaxed);
    for handle in handles {
        handle.await.unwrap();
    }
    let taken = ENDED.load(Relaxed) - begun;
    report("yield_ring", param, "per_yield", taken as f64 / (tasks * rounds) as f64);
}

async fn bench_queue() {
    let count = 2_000_000;
    let (there, mut at_far_end) = mpsc::channel::<i64>(1);
    let (back, mut at_near_end) = mpsc::channel::<i64>(1);
    tokio::spawn(async move {
        while let Some(value) = at_far_end.recv().await {
            if back.send(value).await.is_err() {
                break;
            }
        }
    });
    let begun = cpu_ns();
    for i in 0..count {
        there.send(i).await.unwrap();
        assert_eq!(at_near_end.recv().await, Some(i));
    }
    report("queue", "pingpong", "per_message", (cpu_ns() - begun) as f64 / (2 * count) as f64);
}

async fn bench_socket() {
    let count = 200_000;
    let (mut near, mut far) = UnixStream::pair().unwrap();
    tokio::spawn(async move {
        let mut buf = [0u8; 1];
        while let Ok(1) = far.read(&mut buf).await {
            if far.write_all(&buf).await.is_err() {
                break;
            }
        }
    });
    let mut buf = [0u8; 1];
    let begun = cpu_ns();
    for _ in 0..count {
        near.write_all(&buf).await.unwrap();
        assert_eq!(near.read(&mut buf).await.unwrap(), 1);
    }
    report("socket", "pingpong", "per_message", (cpu_ns() - begun) as f64 / (2 * count) as f64);
}

struct Ignore;
impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}

/// A `Sleep` enters the timer wheel when it is first polled, and leaves it when it is dropped.
async fn bench_timers() {
    let count = 1_000_000;
    let now = Instant::now();
    let waker = Waker::from(Arc::new(Ignore));
    let mut context = Context::from_waker(&waker);
    let mut random = 88172645463325252u64;
    let mut timers = Vec::with_capacity(count);
    let begun = cpu_ns();
    for _ in 0..count {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let delay = Duration::from_millis(1_000_000 + random % 1_000_000);
        let mut timer = Box::pin(tokio::time::sleep_until(now + delay));
        assert!(timer.as_mut().poll(&mut context).is_pending());
        timers.push(Some(timer));
    }
    let armed = cpu_ns();
    for i in 0..count {
        timers[i * 611953 % count] = None;
    }
    let cancelled = cpu_ns();
    report("timers", "", "arm", (armed - begun) as f64 / count as f64);
    report("timers", "", "cancel", (cancelled - armed) as f64 / count as f64);
}

async fn bench(name: String, param: String, seconds: String) {
    match name.as_str() {
        "switch" => bench_switch().await,
        "spawn_join" => {
            spawn_sequential(2_000_000).await;
            spawn_batches(2_000_000).await;
        }
        "yield_ring" => bench_yield_ring(&param).await,
        "queue" => bench_queue().await,
        "socket" => bench_socket().await,
        "timers" => bench_timers().await,
        "sleepers" => sleepers::bench(&param, &seconds).await,
        "tcp_echo" => echo::serve_tcp().await,
        "udp_echo" => echo::serve_udp().await,
        _ => std::process::exit(2),
    }
}

fn main() {
    let arg = |i| std::env::args().nth(i).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(bench(arg(1), arg(2), arg(3))).await.unwrap() });
}
