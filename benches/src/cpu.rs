//! The processor time of this process.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Returns the processor time that the threads of this process have used, where the system tells (Linux).
///
/// Steadier than the time on the wall where others use the machine as well. Threads that have ended are not in it.
pub(crate) fn used() -> Option<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir("/proc/self/task").ok()? {
        let stat = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanos += stat.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanos))
}

/// Returns the same of the thread that asks, to the nanosecond: what the files of the system say is as old as the last tick of its clock.
pub(crate) fn used_by_this_thread() -> Option<Duration> {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Some(Duration::new(
        used.tv_sec.try_into().ok()?,
        used.tv_nsec.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::used;

    #[test]
    fn work_takes_time() {
        let Some(before) = used() else { return };
        let mut sum = 0_u64;
        while used().is_some_and(|now| now <= before) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}
