//! What spans are about, from the environment.

use super::{Configuration, Environment, Source, Variable, parse};
use crate::attribute::{KeyValue, OwnedValue};
use crate::resource::Resource;

/// Reads the resource: `OTEL_SERVICE_NAME` over `OTEL_RESOURCE_ATTRIBUTES` over the default.
pub(super) fn read(environment: &mut Environment) -> Resource {
    let attributes = environment.read(&RESOURCE_ATTRIBUTES, parse::pairs).unwrap_or_default();
    let mut resource = Resource::default()
        .with(attributes.iter().map(|(key, value)| KeyValue::new(key, &**value)));
    if let Some(name) = environment.read(&SERVICE_NAME, parse::text) {
        resource = resource.with([KeyValue::new(SERVICE_NAME_KEY, name)]);
    } else {
        let configuration = environment.configuration_mut();
        let is_among = attributes.iter().any(|(key, _)| key == SERVICE_NAME_KEY);
        let attributes = configuration.get(RESOURCE_ATTRIBUTES.name()).filter(|_| is_among);
        let source = attributes.map_or(Source::Default, |setting| setting.source);
        configuration.set(SERVICE_NAME.name(), resource.service_name(), source);
    }
    resource
}

impl Configuration {
    /// Lays what the program says over what the environment says. The parts of the default resource that the program's has
    /// besides say nothing.
    pub(crate) fn overlay(&mut self, environment: &Resource, code: &Resource) -> Resource {
        let default = Resource::default();
        let is_said = |attribute: &&KeyValue| default.get(&attribute.key) != Some(&attribute.value);
        let said: Vec<KeyValue> = code.key_values().iter().filter(is_said).cloned().collect();
        let said = Resource::empty().with(said).with_schema_url(code.schema_url());
        let resource = environment.merge(&said);
        if said.get(SERVICE_NAME_KEY).is_some() {
            self.set(SERVICE_NAME.name(), resource.service_name(), Source::Code);
        }
        if said.key_values().iter().any(|attribute| attribute.key != SERVICE_NAME_KEY) {
            self.set(RESOURCE_ATTRIBUTES.name(), attributes_text(&resource), Source::Code);
        }
        resource
    }

    /// Says what the resource is where nobody has said anything yet.
    pub(crate) fn set_default_resource(&mut self, resource: &Resource) {
        self.set_default(SERVICE_NAME.name(), resource.service_name());
        self.set_default(RESOURCE_ATTRIBUTES.name(), "");
    }
}

/// Shows attributes as they would stand in the variable, but for the coding: without the default's, which are always there.
fn attributes_text(resource: &Resource) -> String {
    let default = Resource::default();
    let shown = resource.key_values().iter().filter(|attribute| {
        attribute.key != SERVICE_NAME_KEY && default.get(&attribute.key) != Some(&attribute.value)
    });
    let texts: Vec<String> = shown
        .map(|KeyValue { key, value }| match value {
            OwnedValue::Str(value) => format!("{key}={value}"),
            OwnedValue::Bool(value) => format!("{key}={value}"),
            OwnedValue::I64(value) => format!("{key}={value}"),
            OwnedValue::F64(value) => format!("{key}={value}"),
            value => format!("{key}={value:?}"),
        })
        .collect();
    texts.join(",")
}

const SERVICE_NAME: Variable = Variable::new("OTEL_SERVICE_NAME", "unknown_service", "text");
const RESOURCE_ATTRIBUTES: Variable = Variable::new(
    "OTEL_RESOURCE_ATTRIBUTES",
    "",
    "key=value pairs with commas between them, other commas as %2C",
);
const SERVICE_NAME_KEY: &str = "service.name";

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(pairs: &[(&str, &str)]) -> (Resource, Configuration) {
        let mut environment = Environment::from_pairs(pairs.iter().copied());
        (read(&mut environment), environment.configuration().clone())
    }

    #[test]
    fn the_service_name_has_a_variable_that_beats_the_attributes() {
        let unknown = Resource::default().service_name().to_owned();
        for (attributes, name, expected, source) in [
            ("", "", unknown.as_str(), Source::Default),
            ("", " checkout ", "checkout", Source::Environment("OTEL_SERVICE_NAME")),
            ("service.name=a", "", "a", Source::Environment("OTEL_RESOURCE_ATTRIBUTES")),
            ("service.name=a", "b", "b", Source::Environment("OTEL_SERVICE_NAME")),
            (
                "service.name=a,service.name=c",
                "",
                "c",
                Source::Environment("OTEL_RESOURCE_ATTRIBUTES"),
            ),
            ("service.name=a,%zz", "", &unknown, Source::Default),
            ("a=b", "", &unknown, Source::Default),
        ] {
            let (resource, configuration) =
                read_of(&[("OTEL_RESOURCE_ATTRIBUTES", attributes), ("OTEL_SERVICE_NAME", name)]);
            assert_eq!(resource.service_name(), expected, "{attributes:?} {name:?}");
            let setting = configuration.get("OTEL_SERVICE_NAME").unwrap();
            assert_eq!((&*setting.value, setting.source), (expected, source), "{attributes:?}");
        }
    }

    #[test]
    fn attributes_lie_over_the_default_and_a_bad_pair_spoils_all() {
        let (resource, _) = read_of(&[(
            "OTEL_RESOURCE_ATTRIBUTES",
            "zone=a%2Cb, telemetry.sdk.language=oxide ,x=",
        )]);
        assert_eq!(resource.get("zone").unwrap(), &"a,b");
        assert_eq!(resource.get("telemetry.sdk.language").unwrap(), &"oxide");
        assert_eq!(resource.get("x").unwrap(), &"");
        assert_eq!(resource.get("telemetry.sdk.name").unwrap(), &"otel-core");
        for value in ["zone", "zone=a,x", "=a", "zone=%4", "zone=%FF", &"k=v,".repeat(1 << 18)] {
            let (resource, configuration) = read_of(&[("OTEL_RESOURCE_ATTRIBUTES", value)]);
            assert_eq!(resource, Resource::default());
            assert_eq!(configuration.problems().len(), 1);
        }
    }

    #[test]
    fn what_the_program_says_lies_over_the_environment_and_its_default_under_it() {
        let (environment, configuration) = read_of(&[
            ("OTEL_RESOURCE_ATTRIBUTES", "zone=a,tier=1"),
            ("OTEL_SERVICE_NAME", "from-environment"),
        ]);
        let shown = |configuration: &Configuration, name| {
            let setting = configuration.get(name).unwrap();
            (setting.value.clone(), setting.source)
        };
        for (code, name, attributes, name_source) in [
            (
                Resource::default().with([KeyValue::new("zone", ""), KeyValue::new("n", 3)]),
                "from-environment",
                "zone=,tier=1,n=3",
                Source::Environment("OTEL_SERVICE_NAME"),
            ),
            (
                Resource::new("from-code").with([KeyValue::new("tier", true)]),
                "from-code",
                "zone=a,tier=true",
                Source::Code,
            ),
        ] {
            let mut configuration = configuration.clone();
            let resource = configuration.overlay(&environment, &code);
            assert_eq!(resource.service_name(), name);
            assert_eq!(shown(&configuration, "OTEL_SERVICE_NAME"), (name.to_owned(), name_source));
            let expected = (attributes.to_owned(), Source::Code);
            assert_eq!(shown(&configuration, "OTEL_RESOURCE_ATTRIBUTES"), expected);
            for attribute in code.key_values().iter().filter(|one| one.key != "service.name") {
                assert_eq!(resource.get(&attribute.key), Some(&attribute.value));
            }
        }
        let mut configuration = configuration;
        let code = Resource::empty().with_schema_url("v1");
        assert_eq!(configuration.overlay(&environment, &code), environment.with_schema_url("v1"));
        assert_eq!(
            shown(&configuration, "OTEL_RESOURCE_ATTRIBUTES").1,
            Source::Environment("OTEL_RESOURCE_ATTRIBUTES")
        );
    }
}
