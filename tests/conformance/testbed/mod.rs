//! The testbeds of `opentracing-python` (`testbed/`), `opentracing-java` and OpenTelemetry's Java shim: patterns of
//! instrumentation, and what the spans must look like. All of their 14 patterns, 24 checks; each with a thread for each
//! task, on tokio's current-thread runtime and on its multi-thread one.
//!
//! | pattern | checks |
//! | --- | --- |
//! | activate and deactivate | 3 |
//! | active span replacement | 1 |
//! | actor propagation | 2: tell, ask |
//! | baggage handling | 1 |
//! | client and server | 2: keys as they are, keys in capitals |
//! | common request handler | 4: concurrent, parent not picked up, parent in the handler, stateless |
//! | error reporting | 4: simple, in a callback, after retries, in a layer |
//! | late span finish | 1 |
//! | listener per request | 1 |
//! | multiple callbacks | 1 |
//! | nested callbacks | 1 |
//! | promise propagation | 1 |
//! | subtask propagation | 1 |
//! | suspend and resume | 1 |

mod activate_deactivate;
mod active_span_replacement;
mod actor_propagation;
mod baggage_handling;
mod client_server;
mod common_request_handler;
mod error_reporting;
mod late_span_finish;
mod listener_per_request;
mod multiple_callbacks;
mod nested_callbacks;
mod promise_propagation;
mod subtask_propagation;
mod suspend_resume_propagation;
