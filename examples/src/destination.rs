//! Where a program's spans go: to an agent that listens, or to the program itself, which then draws what it receives.

use std::error::Error;
use std::time::Duration;

use crate::arguments::AgentAddress;
use crate::local_agent::{LocalAgent, PortHolder};
use crate::say;

/// An agent, perhaps one that this program is itself.
#[derive(Debug)]
pub struct Destination {
    service_name: &'static str,
    agent: AgentAddress,
    receiver: Option<LocalAgent>,
}

impl Destination {
    /// Takes the agent that somebody asked for, or else the one of this machine; where there is none, becomes it. Says which.
    ///
    /// # Errors
    ///
    /// Where the system refuses the agent's port for another reason than that somebody has it.
    pub fn choose(
        service_name: &'static str,
        asked: Option<AgentAddress>,
    ) -> Result<Self, Box<dyn Error>> {
        if let Some(agent) = asked {
            say!("Spans go to the agent at {agent}, as asked.");
            return Ok(Self { service_name, agent, receiver: None });
        }
        let agent = AgentAddress::default();
        let port = agent.port();
        match LocalAgent::bind(service_name, port) {
            Ok(PortHolder::Us(receiver)) => {
                say!(
                    "No agent on port {port}: this program is the agent, and draws what it receives."
                );
                Ok(Self { service_name, agent, receiver: Some(receiver) })
            }
            Ok(PortHolder::Somebody(address)) => {
                let agent = AgentAddress::from(address);
                let url = agent.ui_url();
                say!("An agent listens at {agent}: spans go there, to be seen at {url}");
                Ok(Self { service_name, agent, receiver: None })
            }
            Err(error) => Err(format!("port {port} cannot be listened on: {error}").into()),
        }
    }

    /// Returns where the agent listens.
    pub fn agent(&self) -> &AgentAddress {
        &self.agent
    }

    /// Tells whether the program is the agent itself.
    pub fn is_here(&self) -> bool {
        self.receiver.is_some()
    }

    /// Draws what has arrived here, where that is.
    ///
    /// # Errors
    ///
    /// Where fewer spans arrived than were reported since the start, or some were lost.
    pub fn draw(&mut self, reported_spans: u64, lost_spans: u64) -> Result<(), String> {
        let Some(receiver) = &mut self.receiver else { return Ok(()) };
        let trees = receiver.receive(reported_spans, RECEIVE_TIMEOUT).for_stdout().to_string();
        if !trees.is_empty() {
            say!("{}", trees.trim_end());
        }
        let (received, expected) = (receiver.received_spans(), reported_spans + lost_spans);
        match received >= expected {
            true => Ok(()),
            false => Err(format!("only {received} of {expected} spans arrived")),
        }
    }

    /// Says what became of all spans, and draws those that were not drawn yet or says where to look for them.
    ///
    /// # Errors
    ///
    /// As for [`draw`](Self::draw).
    pub fn close(mut self, reported_spans: u64, lost_spans: u64) -> Result<(), String> {
        say!("\nSpans reported: {reported_spans}, lost: {lost_spans}.");
        let agent = &self.agent;
        match (&self.receiver, lost_spans) {
            (Some(_), _) => return self.draw(reported_spans, lost_spans),
            (None, 0) => {
                say!("Look for the service {} at {}", self.service_name, agent.ui_url());
            }
            (None, _) => say!("{agent} cannot be reached, or nobody listens there."),
        }
        Ok(())
    }
}

/// On one machine spans arrive at once, or were dropped by a full buffer.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_did_not_arrive_are_an_error_with_their_number() {
        let PortHolder::Us(receiver) = LocalAgent::bind("service", 0).unwrap() else {
            panic!("port 0 is always free");
        };
        let agent = AgentAddress::default();
        let mut here = Destination { service_name: "service", agent, receiver: Some(receiver) };
        assert_eq!(here.draw(0, 0), Ok(()));
        assert_eq!(here.draw(0, 2), Err("only 0 of 2 spans arrived".to_owned()));
    }

    #[test]
    fn an_agent_that_was_asked_for_draws_for_itself() {
        let agent: AgentAddress = "192.0.2.1:6831".parse().unwrap();
        let mut there = Destination::choose("service", Some(agent.clone())).unwrap();
        assert_eq!((there.agent(), there.is_here()), (&agent, false));
        assert_eq!((there.draw(0, 2), there.close(0, 2)), (Ok(()), Ok(())));
    }
}
