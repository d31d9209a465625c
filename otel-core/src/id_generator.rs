//! Where new ids come from.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::SmallRng;

use crate::diagnostics;
use crate::foreign;
use crate::id::{SpanId, TraceId};
use crate::raw::fork;

/// Makes the ids of new traces and spans. Ids must be valid, and unlikely to come twice anywhere: in the child of a `fork`
/// neither, which begins with a copy of its parent's generator. Where a generator panics, or makes an id that is not valid, a
/// random one takes its place.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use otel_core::{IdGenerator, SpanId, TraceId};
///
/// /// Ids in a row, for a test that compares them.
/// #[derive(Debug, Default)]
/// struct SequentialIds(AtomicU64);
///
/// impl IdGenerator for SequentialIds {
///     fn new_trace_id(&self) -> TraceId {
///         TraceId::from_parts(0, self.0.fetch_add(1, Ordering::Relaxed) + 1)
///     }
///
///     fn new_span_id(&self) -> SpanId {
///         SpanId::new(self.0.fetch_add(1, Ordering::Relaxed) + 1)
///     }
/// }
///
/// assert_eq!(SequentialIds::default().new_span_id(), SpanId::new(1));
/// ```
pub trait IdGenerator: fmt::Debug + Send + Sync {
    /// Makes the id of a new trace.
    fn new_trace_id(&self) -> TraceId;

    /// Makes the id of a new span.
    fn new_span_id(&self) -> SpanId;

    /// Tells whether the last 56 bits of trace ids are random, which samplers elsewhere may then rely on.
    fn is_random(&self) -> bool {
        false
    }
}

/// Random ids from a small generator of each thread, seeded by the operating system, and again after a `fork`.
#[derive(Clone, Copy, Debug)]
pub struct RandomIdGenerator {
    has_long_trace_ids: bool,
}

impl RandomIdGenerator {
    /// Makes trace ids of 128 bits.
    pub const fn new() -> Self {
        Self { has_long_trace_ids: true }
    }

    /// Makes trace ids whose first 64 bits are zero, for peers that know no longer ones.
    pub const fn with_64_bit_trace_ids() -> Self {
        Self { has_long_trace_ids: false }
    }
}

impl Default for RandomIdGenerator {
    fn default() -> Self {
        Self::new()
    }
}

impl IdGenerator for RandomIdGenerator {
    #[inline]
    fn new_trace_id(&self) -> TraceId {
        with_rng(|rng| {
            let high = if self.has_long_trace_ids { rng.next_u64() } else { 0 };
            TraceId::from_parts(high, non_zero(rng))
        })
    }

    #[inline]
    fn new_span_id(&self) -> SpanId {
        with_rng(|rng| SpanId::new(non_zero(rng)))
    }

    fn is_random(&self) -> bool {
        true
    }
}

/// A provider's generator: the usual one is called directly, any other through its trait.
#[derive(Clone, Debug)]
pub(crate) enum ProviderIds {
    Random(RandomIdGenerator),
    Other(Arc<dyn IdGenerator>),
}

impl ProviderIds {
    pub(crate) fn new(id_generator: impl IdGenerator + 'static) -> Self {
        match (&id_generator as &dyn Any).downcast_ref() {
            Some(random) => Self::Random(*random),
            None => Self::Other(Arc::new(id_generator)),
        }
    }
}

impl IdGenerator for ProviderIds {
    #[inline]
    fn new_trace_id(&self) -> TraceId {
        match self {
            Self::Random(ids) => ids.new_trace_id(),
            Self::Other(ids) => Guarded(ids.as_ref()).new_trace_id(),
        }
    }

    #[inline]
    fn new_span_id(&self) -> SpanId {
        match self {
            Self::Random(ids) => ids.new_span_id(),
            Self::Other(ids) => Guarded(ids.as_ref()).new_span_id(),
        }
    }

    #[inline]
    fn is_random(&self) -> bool {
        match self {
            Self::Random(ids) => ids.is_random(),
            Self::Other(ids) => Guarded(ids.as_ref()).is_random(),
        }
    }
}

/// A generator that may panic, or make ids that are not valid: random ones take their place.
#[derive(Debug)]
struct Guarded<'a>(&'a dyn IdGenerator);

impl IdGenerator for Guarded<'_> {
    #[cold]
    fn new_trace_id(&self) -> TraceId {
        let made = foreign::call(|| self.0.new_trace_id()).filter(|made| made.is_valid());
        made.unwrap_or_else(|| substitute().new_trace_id())
    }

    #[cold]
    fn new_span_id(&self) -> SpanId {
        let made = foreign::call(|| self.0.new_span_id()).filter(|made| made.is_valid());
        made.unwrap_or_else(|| substitute().new_span_id())
    }

    #[cold]
    fn is_random(&self) -> bool {
        foreign::call(|| self.0.is_random()).unwrap_or(false)
    }
}

/// Stands in for a generator that made no valid id.
#[cold]
fn substitute() -> RandomIdGenerator {
    diagnostics::warn(
        "id_generator.failed",
        format_args!("the id generator panicked or made an id of zero: a random one is used"),
    );
    RandomIdGenerator::new()
}

#[inline]
fn non_zero(rng: &mut SmallRng) -> u64 {
    loop {
        let id = rng.next_u64();
        if id != 0 {
            return id;
        }
    }
}

#[inline]
fn with_rng<R>(draw: impl FnOnce(&mut SmallRng) -> R) -> R {
    RNG.with_borrow_mut(|local| {
        let generation = fork::generation();
        let rng = match &mut local.rng {
            Some(rng) if local.generation == generation => rng,
            _ => local.seed(generation),
        };
        draw(rng)
    })
}

/// A thread's generator, and in which process it was seeded: the child of a fork begins with a copy of it.
struct LocalRng {
    rng: Option<SmallRng>,
    generation: u32,
}

impl LocalRng {
    #[cold]
    #[inline(never)]
    fn seed(&mut self, generation: u32) -> &mut SmallRng {
        fork::watch();
        self.generation = generation;
        self.rng.insert(rand::make_rng())
    }
}

thread_local! {
    // Without a destructor, so it is there also while a thread's other locals are being dropped, where spans may still start.
    static RNG: RefCell<LocalRng> = const { RefCell::new(LocalRng { rng: None, generation: 0 }) };
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_valid_and_differ_between_threads() {
        let new_ids = || {
            let generator = RandomIdGenerator::new();
            (0..1000).map(|_| generator.new_span_id()).collect::<Vec<_>>()
        };
        let threads = [(); 4].map(|()| std::thread::spawn(new_ids));
        let ids: Vec<SpanId> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(ids.iter().all(|id| id.is_valid()));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4000);
    }

    #[test]
    fn short_trace_ids_have_no_high_half() {
        assert_eq!(RandomIdGenerator::with_64_bit_trace_ids().new_trace_id().high(), 0);
        assert!(RandomIdGenerator::with_64_bit_trace_ids().new_trace_id().is_valid());
        assert_ne!(RandomIdGenerator::new().new_trace_id().high(), 0);
    }

    #[test]
    fn a_generator_that_came_with_a_fork_is_seeded_anew() {
        let generator = RandomIdGenerator::new();
        generator.new_span_id();
        let mut parents = RNG.with_borrow(|local| local.rng.clone()).unwrap();
        let same: Vec<SpanId> = (0..3).map(|_| generator.new_span_id()).collect();
        assert_eq!(same, [(); 3].map(|()| SpanId::new(non_zero(&mut parents))));
        RNG.with_borrow_mut(|local| local.generation = local.generation.wrapping_sub(1));
        let other: Vec<SpanId> = (0..3).map(|_| generator.new_span_id()).collect();
        assert_ne!(other, [(); 3].map(|()| SpanId::new(non_zero(&mut parents))));
    }
}
