//! Where variables are looked up, and what became of them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;

use super::configuration::{Configuration, Problem, Source};
use super::parse;
use super::variable::Variable;
use crate::diagnostics;
use crate::exporter::SpanExporter;
use crate::sampler::Sampler;

/// Looks environment variables up, reads typed values, warns about what it cannot use, and remembers what each setting is
/// and where that comes from.
///
/// Whatever reads variables is handed one, so that all of it stands in one [`Configuration`]; a test hands in variables of
/// its own and leaves those of the process alone.
pub struct Environment {
    lookup: Lookup,
    own_defaults: HashMap<String, String>,
    configuration: Configuration,
    exporters: Vec<Named<dyn SpanExporter>>,
    samplers: Vec<Named<dyn Sampler>>,
}

/// What makes something that goes by a name.
struct Named<T: ?Sized> {
    name: &'static str,
    make: Make<T>,
}

impl Environment {
    /// Looks variables up in the environment of this process.
    pub fn of_process() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// Has these variables and no others.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let variables: HashMap<String, OsString> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Self::from_lookup(move |name| variables.get(name).cloned())
    }

    /// Asks `lookup` for the value of each variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString> + Send + 'static) -> Self {
        Self {
            lookup: Box::new(lookup),
            own_defaults: HashMap::new(),
            configuration: Configuration::default(),
            exporters: Vec::new(),
            samplers: Vec::new(),
        }
    }

    /// Gives variables that are not set a value: the program's own defaults.
    ///
    /// ```
    /// use otel_core::env::{Environment, Source, Variable, parse};
    ///
    /// const HOST: Variable = Variable::new("SHOP_HOST", "localhost", "text");
    ///
    /// let mut environment = Environment::from_pairs([]).or([("SHOP_HOST", "shop.example")]);
    /// assert_eq!(environment.read(&HOST, parse::text).unwrap(), "shop.example");
    /// assert_eq!(environment.configuration().get("SHOP_HOST").unwrap().source, Source::Code);
    /// ```
    #[must_use]
    pub fn or<'a>(mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        self.own_defaults.extend(pairs.into_iter().map(owned));
        self
    }

    /// Lets `OTEL_TRACES_EXPORTER` name an exporter that is not of this crate. One that was there by this name is replaced.
    ///
    /// ```
    /// use otel_core::TracerProvider;
    /// use otel_core::env::Environment;
    /// use otel_core::exporter::InMemoryExporter;
    ///
    /// let exporter = InMemoryExporter::new();
    /// let kept = exporter.clone();
    /// let environment = Environment::from_pairs([("OTEL_TRACES_EXPORTER", "memory")])
    ///     .exporter("memory", |_| kept);
    /// let provider = TracerProvider::from_environment(environment).build();
    /// provider.tracer("test").start("work").end();
    /// provider.flush(std::time::Duration::from_secs(5))?;
    /// assert_eq!(exporter.finished_spans()[0].name, "work");
    /// # Ok::<(), otel_core::FlushError>(())
    /// ```
    #[must_use]
    pub fn exporter<E: SpanExporter>(
        mut self,
        name: &'static str,
        make: impl FnOnce(&mut Self) -> E + Send + 'static,
    ) -> Self {
        let make: Make<dyn SpanExporter> = Box::new(move |environment| Box::new(make(environment)));
        put(&mut self.exporters, Named { name, make });
        self
    }

    /// Lets `OTEL_TRACES_SAMPLER` name a sampler that is not of this crate, alone and behind `parentbased_`. One that was
    /// there by this name is replaced.
    ///
    /// ```
    /// use otel_core::env::{Environment, Variable, parse};
    /// use otel_core::sampler::ConstSampler;
    /// use otel_core::TracerProvider;
    ///
    /// const ARGUMENT: Variable = Variable::new("OTEL_TRACES_SAMPLER_ARG", "true", "true or false");
    ///
    /// let variables = [("OTEL_TRACES_SAMPLER", "parentbased_const"), ("OTEL_TRACES_SAMPLER_ARG", "false")];
    /// let environment = Environment::from_pairs(variables).sampler("const", |environment| {
    ///     ConstSampler::new(environment.read(&ARGUMENT, parse::flag).unwrap_or(true))
    /// });
    /// let provider = TracerProvider::from_environment(environment).build();
    /// assert!(!provider.tracer("test").start("work").is_recording());
    /// ```
    #[must_use]
    pub fn sampler<S: Sampler>(
        mut self,
        name: &'static str,
        make: impl FnOnce(&mut Self) -> S + Send + 'static,
    ) -> Self {
        let make: Make<dyn Sampler> = Box::new(move |environment| Box::new(make(environment)));
        put(&mut self.samplers, Named { name, make });
        self
    }

    /// Reads a variable. `None` where it is not set, empty, or of no use, which is warned about.
    ///
    /// Space around the value is taken off first. Of no use is what `parse` does not know, what is no UTF-8, and what is
    /// longer than 64 KiB.
    pub fn read<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        self.read_first(&[variable], parse)
    }

    /// Reads a setting that has a variable of its own, and more general ones behind it: the first that is set and can be
    /// used counts. The setting goes by the name of the first.
    pub fn read_first<T>(
        &mut self,
        variables: &[&Variable],
        mut parse: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        let own = variables.first()?;
        let in_environment = variables.iter().find_map(|variable| self.find(variable, &mut parse));
        let found = in_environment
            .or_else(|| variables.iter().find_map(|variable| self.find_own(variable, &mut parse)));
        self.note(own, found)
    }

    /// Warns that a part of a variable is of no use: what `read` could not see, as a name that nothing goes by.
    pub fn refuse(&mut self, variable: &Variable, value: &str) {
        self.refuse_as(variable, value, variable.allowed());
    }

    /// As [`refuse`](Self::refuse), where what is allowed is known only now.
    pub fn refuse_as(&mut self, variable: &Variable, value: &str, allowed: &str) {
        let value = variable.shown(value).into_owned();
        let problem = Problem { name: variable.name(), value, allowed: allowed.to_owned() };
        if self.configuration.add_problem(&problem) {
            diagnostics::warn_once(problem.name, &problem.value, format_args!("{problem}"));
        }
    }

    /// Reads a list of names, in any case, each once; `none` alone is the empty list. A name that is not among `known` is
    /// warned about and passed over. `None` where no name is left.
    pub(crate) fn read_names<'a>(
        &mut self,
        variable: &Variable,
        known: &[&'a str],
        allowed: &str,
    ) -> Option<Vec<&'a str>> {
        let text = self.read(variable, parse::text)?;
        let Some(items) = parse::list(&text) else {
            self.refuse_as(variable, &text, allowed);
            self.unset(variable);
            return None;
        };
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for item in items {
            match known.iter().find(|name| name.eq_ignore_ascii_case(item)) {
                Some(name) if found.contains(name) => {}
                Some(name) => found.push(*name),
                None => unknown.push(item),
            }
        }
        // Alone it is no name that is unknown.
        let is_none = |item: &&str| item.eq_ignore_ascii_case(NONE);
        if found.is_empty() && unknown.iter().all(is_none) {
            self.configuration.correct(variable.name(), NONE);
            return Some(found);
        }
        for item in unknown {
            self.refuse_as(variable, item, allowed);
        }
        if found.is_empty() {
            self.unset(variable);
            return None;
        }
        self.configuration.correct(variable.name(), found.join(","));
        Some(found)
    }

    /// Says that a variable is as good as not set: what it holds turned out to be of no use.
    pub(super) fn unset(&mut self, variable: &Variable) {
        self.configuration.set(variable.name(), variable.default_text(), Source::Default);
    }

    /// Lists the names that exporters go by.
    pub(super) fn exporter_names(&self) -> Vec<&'static str> {
        self.exporters.iter().map(|exporter| exporter.name).collect()
    }

    /// Makes the exporter of a name, once.
    pub(super) fn make_exporter(&mut self, name: &str) -> Option<Box<dyn SpanExporter>> {
        take(&mut self.exporters, name).map(|make| make(self))
    }

    /// Lists the names that samplers go by.
    pub(super) fn sampler_names(&self) -> Vec<&'static str> {
        self.samplers.iter().map(|sampler| sampler.name).collect()
    }

    /// Makes the sampler of a name, once.
    pub(super) fn make_sampler(&mut self, name: &str) -> Option<Box<dyn Sampler>> {
        take(&mut self.samplers, name).map(|make| make(self))
    }

    /// Says what a setting came to be, where a variable does not say it alone.
    pub(crate) fn configuration_mut(&mut self) -> &mut Configuration {
        &mut self.configuration
    }

    pub(super) fn into_configuration(self) -> Configuration {
        self.configuration
    }

    /// Returns what was read until now.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Looks in the environment.
    fn find<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Found<T>> {
        let value = (self.lookup)(variable.name())?;
        self.parsed(variable, value, Source::Environment(variable.name()), parse)
    }

    /// Looks among the program's own defaults.
    fn find_own<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Found<T>> {
        let value = self.own_defaults.get(variable.name())?.into();
        self.parsed(variable, value, Source::Code, parse)
    }

    fn parsed<T>(
        &mut self,
        variable: &Variable,
        value: OsString,
        source: Source,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Found<T>> {
        // By its length first: nothing here is to take longer because somebody set a megabyte.
        if value.len() > MAX_VALUE_BYTES {
            let start = String::from_utf8_lossy(&value.as_encoded_bytes()[..MAX_VALUE_BYTES]);
            let allowed = format!("{}, in {MAX_VALUE_BYTES} bytes at the most", variable.allowed());
            self.refuse_as(variable, &start, &allowed);
            return None;
        }
        let text = match value.to_str() {
            Some(text) => text.trim(),
            None => {
                let allowed = format!("{}, in UTF-8", variable.allowed());
                self.refuse_as(variable, &value.to_string_lossy(), &allowed);
                return None;
            }
        };
        if text.is_empty() {
            return None;
        }
        let parsed = parse(text);
        if parsed.is_none() {
            self.refuse(variable, text);
        }
        Some(Found { value: parsed?, shown: variable.shown(text).into_owned(), source })
    }

    fn note<T>(&mut self, setting: &Variable, found: Option<Found<T>>) -> Option<T> {
        match found {
            Some(Found { value, shown, source }) => {
                self.configuration.set(setting.name(), shown, source);
                Some(value)
            }
            None => {
                self.unset(setting);
                None
            }
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("configuration", &self.configuration)
            .finish_non_exhaustive()
    }
}

/// A variable that is set and can be used.
struct Found<T> {
    value: T,
    shown: String,
    source: Source,
}

fn put<T: ?Sized>(list: &mut Vec<Named<T>>, named: Named<T>) {
    list.retain(|present| !present.name.eq_ignore_ascii_case(named.name));
    list.push(named);
}

fn take<T: ?Sized>(list: &mut Vec<Named<T>>, name: &str) -> Option<Make<T>> {
    let place = list.iter().position(|named| named.name.eq_ignore_ascii_case(name))?;
    Some(list.remove(place).make)
}

type Make<T> = Box<dyn FnOnce(&mut Environment) -> Box<T> + Send>;
type Lookup = Box<dyn Fn(&str) -> Option<OsString> + Send>;

/// Stands for no name at all, in a list of them.
const NONE: &str = "none";

/// Linux takes twice as much for one variable; nothing here has a use for it.
const MAX_VALUE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: Variable = Variable::new("COUNT", "128", "a whole number");
    const SPAN_COUNT: Variable = Variable::new("SPAN_COUNT", "128", "a whole number of a span");
    const HEADERS: Variable = Variable::new("HEADERS", "", "key=value pairs").secret();

    fn setting(environment: &Environment, name: &str) -> (String, Source) {
        let setting = environment.configuration().get(name).unwrap();
        (setting.value.clone(), setting.source)
    }

    fn problems(environment: &Environment) -> Vec<String> {
        environment.configuration().problems().iter().map(Problem::to_string).collect()
    }

    #[test]
    fn what_is_empty_or_blank_is_not_set() {
        for pairs in [&[][..], &[("COUNT", "")], &[("COUNT", " \t\r\n")], &[("count", "1")]] {
            let mut environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(environment.read(&COUNT, parse::count), None, "{pairs:?}");
            assert_eq!(setting(&environment, "COUNT"), ("128".to_owned(), Source::Default));
            assert_eq!(environment.configuration().problems(), []);
        }
    }

    #[test]
    fn a_value_that_is_none_is_a_problem_told_once_and_the_default_holds() {
        for (value, shown) in [
            ("many", "many"),
            ("-1", "-1"),
            ("99999999999999999999", "99999999999999999999"),
            (" 1 2 ", "1 2"),
        ] {
            let mut environment = Environment::from_pairs([("COUNT", value)]);
            assert_eq!(environment.read(&COUNT, parse::count), None);
            assert_eq!(environment.read(&COUNT, parse::count), None);
            assert_eq!(setting(&environment, "COUNT"), ("128".to_owned(), Source::Default));
            let expected = format!("COUNT: {shown:?} is left out, allowed: a whole number");
            assert_eq!(problems(&environment), [expected]);
        }
    }

    #[test]
    fn a_setting_of_its_own_comes_before_the_general_one_which_stands_in_for_a_bad_one() {
        let both = [&SPAN_COUNT, &COUNT];
        let general = ("7".to_owned(), Source::Environment("COUNT"));
        for (pairs, expected, shown, n_problems) in [
            (
                &[("COUNT", "7"), ("SPAN_COUNT", "0")][..],
                Some(0),
                ("0".to_owned(), Source::Environment("SPAN_COUNT")),
                0,
            ),
            (&[("COUNT", "7")], Some(7), general.clone(), 0),
            (&[("COUNT", "7"), ("SPAN_COUNT", " ")], Some(7), general.clone(), 0),
            (&[("COUNT", "7"), ("SPAN_COUNT", "x")], Some(7), general, 1),
            (&[("COUNT", "y"), ("SPAN_COUNT", "x")], None, ("128".to_owned(), Source::Default), 2),
            (&[], None, ("128".to_owned(), Source::Default), 0),
        ] {
            let mut environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(environment.read_first(&both, parse::count), expected, "{pairs:?}");
            assert_eq!(setting(&environment, "SPAN_COUNT"), shown, "{pairs:?}");
            assert_eq!(environment.configuration().get("COUNT"), None);
            assert_eq!(problems(&environment).len(), n_problems, "{pairs:?}");
        }
        assert_eq!(Environment::from_pairs([]).read_first(&[], parse::count), None);
    }

    #[test]
    fn a_value_that_is_too_long_is_not_even_parsed() {
        let value = "1".repeat(1 << 20);
        let mut environment = Environment::from_pairs([("COUNT", value.as_str())]);
        assert_eq!(environment.read(&COUNT, |_| -> Option<()> { panic!("parsed") }), None);
        let expected = format!(
            "COUNT: {:?} is left out, allowed: a whole number, in 65536 bytes at the most",
            "1".repeat(200)
        );
        assert_eq!(problems(&environment), [expected]);
        let longest = "0".repeat(64 << 10);
        let mut environment = Environment::from_pairs([("COUNT", longest.as_str())]);
        assert_eq!(environment.read(&COUNT, parse::count), Some(0));
        assert_eq!(setting(&environment, "COUNT").0.len(), 200);
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_no_text_is_a_problem() {
        use std::os::unix::ffi::OsStringExt;

        let mut environment =
            Environment::from_lookup(|_| Some(OsString::from_vec(b"a\xFFb".to_vec())));
        assert_eq!(environment.read(&COUNT, parse::text), None);
        let expected = "COUNT: \"a\u{FFFD}b\" is left out, allowed: a whole number, in UTF-8";
        assert_eq!(problems(&environment), [expected]);
        // Cut in the middle of a character: what is too long is not looked at more closely.
        let mut environment = Environment::from_lookup(|_| {
            Some(OsString::from_vec("ä".repeat(1 << 19).into_bytes()))
        });
        assert_eq!(environment.read(&COUNT, parse::text), None);
    }

    #[test]
    fn a_secret_shows_nowhere() {
        for value in ["token=hunter2", "hunter2", "token=hunter2,%zz=hunter2"] {
            let mut environment = Environment::from_pairs([("HEADERS", value)]);
            environment.read(&HEADERS, parse::pairs);
            environment.refuse(&HEADERS, value);
            let shown = format!("{environment:?} {}", environment.configuration());
            assert!(shown.contains("*** (7 characters)"), "{shown}");
            assert!(!shown.contains("hunter"), "{shown}");
        }
    }
}
