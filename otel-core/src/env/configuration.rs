//! What a pipeline was set up with, and who said so.

use std::fmt;

/// What each setting is, and where that comes from; what could not be used besides. Secrets are masked.
///
/// [`Display`](fmt::Display) shows a table, for people to read:
///
/// ```
/// use otel_core::env::{Environment, Variable, parse};
///
/// const HOST: Variable = Variable::new("SHOP_HOST", "localhost", "text");
/// const PORT: Variable = Variable::new("SHOP_PORT", "80", "1 to 65535");
///
/// let mut environment = Environment::from_pairs([("SHOP_PORT", "8080")]);
/// environment.read(&HOST, parse::text);
/// environment.read(&PORT, parse::port);
/// assert_eq!(
///     environment.configuration().to_string(),
///     "SHOP_HOST  localhost  default\n\
///      SHOP_PORT  8080       environment\n",
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

impl Configuration {
    /// Returns all settings, in the order in which they were read first.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Returns what could not be used, each once.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns a setting by its name.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// Says what a setting is; what was said of it before is forgotten.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>, source: Source) {
        let setting = Setting { name, value: value.into(), source };
        match self.settings.iter_mut().find(|present| present.name == name) {
            Some(present) => *present = setting,
            None => self.settings.push(setting),
        }
    }

    /// Says the same where nobody has said anything yet.
    pub(crate) fn set_default(&mut self, name: &'static str, value: impl Into<String>) {
        if self.get(name).is_none() {
            self.set(name, value, Source::Default);
        }
    }

    /// Says what a setting came to be where that is not what its source says.
    pub(super) fn correct(&mut self, name: &str, value: impl Into<String>) {
        if let Some(setting) = self.settings.iter_mut().find(|setting| setting.name == name) {
            setting.value = value.into();
        }
    }

    /// Forgets a setting that nothing asks for any more.
    pub(super) fn remove(&mut self, name: &str) {
        self.settings.retain(|setting| setting.name != name);
    }

    /// Adds a problem; tells whether it is a new one.
    pub(super) fn add_problem(&mut self, problem: &Problem) -> bool {
        let is_new = !self.problems.contains(problem);
        if is_new {
            self.problems.push(problem.clone());
        }
        is_new
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 2]> = self
            .settings
            .iter()
            .map(|setting| [setting.name.to_owned(), shown(&setting.value)])
            .collect();
        let width = |column: usize| {
            let lengths = rows.iter().map(|row| row[column].chars().count());
            lengths.filter(|length| *length <= WIDEST).max().unwrap_or(0)
        };
        let (name_width, value_width) = (width(0), width(1));
        for ([name, value], setting) in rows.iter().zip(&self.settings) {
            write!(f, "{name:name_width$}  {value:value_width$}  ")?;
            match setting.source {
                Source::Environment(variable) if variable != setting.name => {
                    writeln!(f, "environment, {variable}")?;
                }
                source => writeln!(f, "{source}")?,
            }
        }
        self.problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

/// A setting with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// What it is called: as the environment variable that sets it.
    pub name: &'static str,
    /// What it is, as it would stand in the variable: empty for none, masked where it is secret, cut after 200 characters.
    pub value: String,
    /// Who said so.
    pub source: Source,
}

/// Where the value of a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// This environment variable, which may be a more general one than the setting is.
    Environment(&'static str),
    /// The program.
    Code,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Environment(_) => "environment",
            Self::Code => "code",
        })
    }
}

/// A variable that could not be used, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Which variable it is.
    pub name: &'static str,
    /// What it holds; masked where it is secret, cut after 200 characters.
    pub value: String,
    /// What it may hold.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} is left out, allowed: {}", self.name, self.value, self.allowed)
    }
}

/// Shows what would spoil a table, or talk to a terminal, as an escape, and nothing as a dash.
fn shown(value: &str) -> String {
    if value.is_empty() {
        return "-".to_owned();
    }
    let mut line = String::with_capacity(value.len());
    for character in value.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// A longer value sticks out of its column.
const WIDEST: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_stays_one_whatever_is_in_it() {
        let mut configuration = Configuration::default();
        configuration.set("A", "line\nbreak\x1b[2J", Source::Environment("GENERAL"));
        configuration.set("LONGER", "x".repeat(100), Source::Code);
        configuration.set("B", "", Source::Default);
        let problem = Problem { name: "B", value: "\n".to_owned(), allowed: "text".to_owned() };
        assert!(configuration.add_problem(&problem) && !configuration.add_problem(&problem));
        let long = "x".repeat(100);
        assert_eq!(
            configuration.to_string(),
            format!(
                "A       line\\nbreak\\u{{1b}}[2J  environment, GENERAL\n\
                 LONGER  {long}  code\n\
                 B       -                     default\n\
                 B: \"\\n\" is left out, allowed: text\n"
            )
        );
    }

    #[test]
    fn what_is_said_last_holds_and_stays_at_its_place() {
        let mut configuration = Configuration::default();
        configuration.set("A", "1", Source::Default);
        configuration.set("B", "2", Source::Default);
        configuration.set("A", "3", Source::Code);
        let names: Vec<&str> =
            configuration.settings().iter().map(|setting| setting.name).collect();
        assert_eq!(names, ["A", "B"]);
        assert_eq!(configuration.get("A").unwrap().value, "3");
        assert_eq!(configuration.get("C"), None);
    }
}
