//! The receiving side of the wire: what an agent does with a client's datagrams, up to the decoded batch.
//!
//! For tests and local viewers. Every datagram is taken for hostile: what it makes the decoder allocate is bounded by
//! its length.
//!
//! ```
//! use std::time::Duration;
//!
//! use jaeger_udp::agent::Agent;
//!
//! let mut agent = Agent::bind("127.0.0.1:0")?;
//! println!("send spans to {}", agent.local_addr());
//! while let Some(batch) = agent.recv_timeout(Duration::from_millis(10)) {
//!     println!("{} sent {} spans", batch.process.service_name, batch.spans.len());
//! }
//! assert_eq!(agent.counts().packets, 0);
//! # Ok::<(), std::io::Error>(())
//! ```

mod counts;
mod decode;
mod receiver;

pub use counts::{AgentCounts, ClientCounts};
pub use decode::decode_message;
pub use receiver::Agent;
