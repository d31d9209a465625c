//! The processors of a provider, to which more can be added while spans start and end.

use std::fmt;
use std::sync::OnceLock;

use super::SpanProcessor;
use crate::sync::BriefMutex;

/// Processors in the order of their registration; read without a lock.
pub(crate) struct ProcessorList {
    first: Vec<Box<dyn SpanProcessor>>,
    /// A chain, since it can grow while others walk along it.
    added: Link,
    /// Held by who adds one: so no fork finds a link half made.
    adding: BriefMutex<()>,
}

type Link = OnceLock<Box<Added>>;

struct Added {
    processor: Box<dyn SpanProcessor>,
    next: Link,
}

impl ProcessorList {
    pub(crate) fn new(first: Vec<Box<dyn SpanProcessor>>) -> Self {
        Self { first, added: OnceLock::new(), adding: BriefMutex::default() }
    }

    pub(crate) fn add(&self, processor: Box<dyn SpanProcessor>) {
        let added = Box::new(Added { processor, next: OnceLock::new() });
        self.adding.with(|()| {
            let mut link = &self.added;
            while let Some(added) = link.get() {
                link = &added.next;
            }
            // It was empty, and nobody else adds now.
            let _ = link.set(added);
        });
    }

    #[inline]
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&dyn SpanProcessor)) {
        for processor in &self.first {
            visit(processor.as_ref());
        }
        let mut link = &self.added;
        while let Some(added) = link.get() {
            visit(added.processor.as_ref());
            link = &added.next;
        }
    }
}

impl Drop for ProcessorList {
    /// Takes the chain apart link by link: left to itself it would be dropped one call deep for each.
    fn drop(&mut self) {
        let mut link = self.added.take();
        while let Some(mut added) = link {
            link = added.next.take();
        }
    }
}

impl fmt::Debug for ProcessorList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        self.for_each(|processor| {
            list.entry(&processor);
        });
        list.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;
    use crate::record::SpanView;

    struct Numbered(usize, Arc<AtomicUsize>);

    impl fmt::Debug for Numbered {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "<{}>", self.0)
        }
    }

    impl SpanProcessor for Numbered {
        fn on_end(&self, _: &SpanView<'_>) {}
    }

    impl Drop for Numbered {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_list_keeps_its_order_while_others_add_to_it_and_drops_each_processor_once() {
        let n_dropped = Arc::new(AtomicUsize::new(0));
        let processor = |n| Box::new(Numbered(n, Arc::clone(&n_dropped)));
        let list = ProcessorList::new(vec![processor(0), processor(1)]);
        let length = || {
            let mut n_visited = 0;
            list.for_each(|_| n_visited += 1);
            n_visited
        };
        thread::scope(|scope| {
            for thread in 0..4 {
                let (list, processor, length) = (&list, &processor, &length);
                scope.spawn(move || {
                    for n in 0..100 {
                        let before = length();
                        list.add(processor(2 + 100 * thread + n));
                        assert!(length() > before);
                    }
                });
            }
        });
        let shown = format!("{list:?}");
        let place_of = |n: usize| shown.find(&format!("<{n}>")).unwrap();
        assert!((0..100).all(|n| place_of(0) < place_of(1) && place_of(1) < place_of(2 + n)));
        assert!((2..101).all(|n| place_of(n) < place_of(n + 1)), "each thread's are in order");
        assert_eq!(length(), 402);
        drop(list);
        assert_eq!(n_dropped.load(Ordering::Relaxed), 402);
    }

    #[test]
    fn a_long_list_is_dropped_without_a_deep_stack() {
        let n_dropped = Arc::new(AtomicUsize::new(0));
        let list = ProcessorList::new(Vec::new());
        // Linked by hand: `add` walks to the end each time.
        let mut chain: Link = OnceLock::new();
        for n in 0..100_000 {
            let processor = Box::new(Numbered(n, Arc::clone(&n_dropped)));
            chain = OnceLock::from(Box::new(Added { processor, next: chain }));
        }
        let Some(chain) = chain.into_inner() else { unreachable!("it was just made") };
        assert!(list.added.set(chain).is_ok());
        drop(list);
        assert_eq!(n_dropped.load(Ordering::Relaxed), 100_000);
    }
}
