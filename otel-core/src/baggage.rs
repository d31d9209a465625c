//! What an application hands along with a trace.

use std::collections::HashMap;
use std::sync::Arc;

/// Names with values that travel with a request, for whoever comes later: immutable, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Baggage {
    items: Option<Arc<Vec<BaggageItem>>>,
}

/// One name of a baggage, with its value and what was said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaggageItem {
    /// The name: case matters.
    pub name: String,
    /// The value: any text.
    pub value: String,
    /// What a carrier said about the value, in its own form (W3C's properties); handed on as it came.
    pub metadata: String,
}

impl Baggage {
    /// No names.
    pub const fn new() -> Self {
        Self { items: None }
    }

    /// Returns a baggage in which `name` has this value; an empty name changes nothing.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        self.with_metadata(name, value, "")
    }

    /// Returns a baggage in which `name` has this value and metadata; an empty name changes nothing.
    #[must_use]
    pub fn with_metadata(&self, name: &str, value: &str, metadata: &str) -> Self {
        if name.is_empty() {
            return self.clone();
        }
        let item =
            BaggageItem { name: name.into(), value: value.into(), metadata: metadata.into() };
        let mut items: Vec<BaggageItem> = self.iter().cloned().collect();
        match items.iter_mut().find(|item| item.name == name) {
            Some(present) => *present = item,
            None => items.push(item),
        }
        Self { items: Some(Arc::new(items)) }
    }

    /// Returns a baggage without `name`.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        self.iter().filter(|item| item.name != name).cloned().collect()
    }

    /// Returns the value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|item| item.name == name).map(|item| item.value.as_str())
    }

    /// Visits the names in the order in which they first came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &BaggageItem> {
        self.items.as_deref().map(Vec::as_slice).unwrap_or_default().iter()
    }

    /// Returns how many names there are.
    pub fn len(&self) -> usize {
        self.iter().len()
    }

    /// Tells whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl PartialEq for Baggage {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl FromIterator<BaggageItem> for Baggage {
    /// Takes items as they come; of a repeated name the last one stays, in the place of the first.
    fn from_iter<I: IntoIterator<Item = BaggageItem>>(items: I) -> Self {
        let mut items: Vec<BaggageItem> = items.into_iter().collect();
        items.retain(|item| !item.name.is_empty());
        keep_last_of_each_name(&mut items);
        Self { items: (!items.is_empty()).then(|| Arc::new(items)) }
    }
}

fn keep_last_of_each_name(items: &mut Vec<BaggageItem>) {
    let mut n_kept = 0;
    // Baggage comes from outside: a scan for each of many items would be quadratic work.
    let mut places: Option<HashMap<String, usize>> = None;
    for next in 0..items.len() {
        let name = &items[next].name;
        let place = if n_kept < SCANNED_ITEMS {
            items[..n_kept].iter().position(|kept| kept.name == *name)
        } else {
            let known = places.get_or_insert_with(|| {
                let kept = items[..n_kept].iter().enumerate();
                kept.map(|(place, kept)| (kept.name.clone(), place)).collect()
            });
            let place = known.get(name).copied();
            if place.is_none() {
                known.insert(name.clone(), n_kept);
            }
            place
        };
        items.swap(place.unwrap_or(n_kept), next);
        n_kept += usize::from(place.is_none());
    }
    items.truncate(n_kept);
}

/// Up to here a scan is quicker than a hash map.
const SCANNED_ITEMS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_makes_a_new_baggage_and_leaves_the_old_one() {
        let one = Baggage::new().with("user", "ann");
        let two = one.with("user", "bob").with("tenant", "7").with("", "ignored");
        assert_eq!((one.get("user"), one.len()), (Some("ann"), 1));
        assert_eq!((two.get("user"), two.get("tenant"), two.len()), (Some("bob"), Some("7"), 2));
        assert_eq!(two.without("user").get("user"), None);
        assert!(two.without("user").without("tenant").is_empty());
    }

    #[test]
    fn names_differ_by_case_and_values_are_any_text() {
        let baggage = Baggage::new().with("User", "größe, = ;\n").with("user", "");
        assert_eq!((baggage.get("User"), baggage.get("user")), (Some("größe, = ;\n"), Some("")));
        assert_eq!((baggage.get("USER"), baggage.len()), (None, 2));
    }

    #[test]
    fn of_a_repeated_name_the_last_value_stays() {
        let item = |name: &str, value: &str| BaggageItem {
            name: name.into(),
            value: value.into(),
            metadata: String::new(),
        };
        let baggage: Baggage =
            [item("a", "1"), item("b", "2"), item("a", "3")].into_iter().collect();
        assert_eq!(baggage.iter().map(|item| item.value.as_str()).collect::<Vec<_>>(), ["3", "2"]);
        // Few names are looked for in another way than many.
        for n_names in [1, 2, 15, 16, 17, 40] {
            let name = |n: usize| format!("n{}", n % n_names);
            let items = (0..3 * n_names).map(|n| item(&name(n), &n.to_string()));
            let nameless = [item("", "x")];
            let baggage: Baggage =
                nameless.iter().cloned().chain(items).chain(nameless.clone()).collect();
            let expected: Vec<BaggageItem> =
                (0..n_names).map(|n| item(&name(n), &(2 * n_names + n).to_string())).collect();
            assert_eq!(baggage.iter().cloned().collect::<Vec<_>>(), expected);
        }
    }
}
