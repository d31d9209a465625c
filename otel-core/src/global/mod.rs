//! The provider and the propagator of the process, for code that is not handed one.

mod provider;
mod propagator;
mod slot;

pub use propagator::{GlobalPropagator, global_propagator, set_global_propagator};
pub(crate) use provider::{GlobalScope, with_tracer};
pub use provider::{
    global_provider, global_scoped_tracer, global_tracer, set_global_provider,
    set_global_provider_if_absent, take_global_provider,
};
