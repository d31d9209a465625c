//! The processor's time-stamp counter, where the kernel itself keeps time by it.

/// Reads the counter. One can only be had where reading it makes sense.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeStampCounter(());

impl TimeStampCounter {
    /// Finds the counter, if the kernel trusts it: it then runs at one speed, on all processors alike, also in sleep.
    ///
    /// The processor's own flag for that says nothing of what a hypervisor does, and the kernel measures; so it is asked.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    pub(crate) fn find() -> Option<Self> {
        let source = std::fs::read_to_string(CLOCK_SOURCE).ok()?;
        (source.trim() == "tsc").then_some(Self(()))
    }

    /// Finds no counter: none is known on this platform.
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    pub(crate) fn find() -> Option<Self> {
        None
    }

    /// Reads the counter.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[inline]
    pub(crate) fn read(self) -> u64 {
        // SAFETY: every x86-64 processor has the instruction. A kernel can forbid it to programs, and one that did could
        // not use it for its own clock in user mode, which `find` made sure that it does.
        unsafe { core::arch::x86_64::_rdtsc() }
    }

    /// Reads nothing: there is no counter that could be asked.
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    pub(crate) fn read(self) -> u64 {
        0
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_goes_on_where_there_is_one() {
        let Some(counter) = TimeStampCounter::find() else { return };
        let first = counter.read();
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(counter.read() > first);
    }
}
