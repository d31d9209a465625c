//! What the example programs share; each program, one for a guide, is a file in `src/bin`.
//!
//! | module | holds |
//! | --- | --- |
//! | [`arguments`] | the flags of a program |
//! | [`destination`] | where a program's spans go: to an agent, or to itself |
//! | [`json_server`] | a server for programs that talk to each other in JSON |
//! | [`jobs_site`] | the site that the quick start's `jobs` program asks |
//! | [`local_agent`] | an agent for a machine on which none listens |
//! | [`program`] | the `main` of a program that reports to an agent |
//! | [`server`] | an HTTP server that runs until it is told to stop |
//! | [`trace_tree`] | received spans, drawn as trees |
//! | [`say!`], [`complain!`] | printing that does not panic where the pipe is closed |

#![forbid(unsafe_code)]

pub mod arguments;
pub mod destination;
pub mod json_server;
pub mod jobs_site;
pub mod local_agent;
mod output;
pub mod program;
pub mod server;
pub mod trace_tree;
