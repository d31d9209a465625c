//! What holds of the OpenTracing face whatever a program does: scopes in any order, two ways to Jaeger.

mod interleavings;
mod two_ways;
