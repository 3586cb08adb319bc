//! The processor time of this process.

use std::fs;
use std::time::Duration;

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
