//! How wide a drawing is, and whether it has colours.

use std::ffi::OsString;
use std::io::{self, IsTerminal};

/// How a drawing looks.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct TreeStyle {
    columns: usize,
    has_colors: bool,
}

impl TreeStyle {
    /// Looks for what suits standard output.
    pub(in super::super) fn of_stdout() -> Self {
        Self::of(io::stdout().is_terminal(), |name| std::env::var_os(name))
    }

    fn of(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text_of = |name| variable(name).filter(|text| !text.is_empty());
        let columns = text_of("COLUMNS").and_then(|text| text.to_str()?.parse().ok());
        let no_variable = Self::default();
        let usual_columns = if is_terminal { TERMINAL_COLUMNS } else { no_variable.columns };
        // A console of Windows that sets neither of these may show the codes instead of the colours.
        let knows_codes = match text_of("TERM") {
            Some(term) => term != "dumb",
            None => !cfg!(windows) || text_of("WT_SESSION").is_some(),
        };
        let has_colors = match (text_of("NO_COLOR"), text_of("CLICOLOR_FORCE")) {
            (Some(_), _) => false,
            (None, Some(force)) if force != "0" => true,
            _ => is_terminal && knows_codes,
        };
        no_variable.width(columns.unwrap_or(usual_columns)).colors(has_colors)
    }

    pub(in super::super) fn width(mut self, columns: usize) -> Self {
        self.columns = columns.max(MIN_COLUMNS);
        self
    }

    pub(in super::super) fn colors(mut self, has_colors: bool) -> Self {
        self.has_colors = has_colors;
        self
    }

    pub(super) fn columns(self) -> usize {
        self.columns
    }

    pub(super) fn has_colors(self) -> bool {
        self.has_colors
    }

    /// Returns how wide the column of names becomes; a longer one pushes its own line to the right and leaves the others.
    pub(super) fn max_label_chars(self) -> usize {
        MAX_LABEL_CHARS.min(self.columns / 2)
    }

    /// Returns how much of a line a name may take with what stands before it, so that there is room for the duration.
    pub(super) fn max_name_chars(self) -> usize {
        self.columns - DURATION_CHARS
    }
}

impl Default for TreeStyle {
    /// Lines of any length, and no colours: for files and pipes.
    fn default() -> Self {
        Self { columns: usize::MAX, has_colors: false }
    }
}

const TERMINAL_COLUMNS: usize = 100;
const MIN_COLUMNS: usize = 20;
const MAX_LABEL_CHARS: usize = 60;
/// With the spaces before it.
const DURATION_CHARS: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    fn style_of(is_terminal: bool, variables: &[(&str, &str)]) -> (usize, bool) {
        let style = TreeStyle::of(is_terminal, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, text)| OsString::from(text))
        });
        (style.columns, style.has_colors)
    }

    #[test]
    fn colors_are_for_terminals_and_for_who_asks() {
        for (is_terminal, variables, expected) in [
            (true, &[("TERM", "xterm")][..], true),
            (true, &[("TERM", "dumb")], false),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "1")], false),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "0")], false),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "")], true),
            (false, &[("TERM", "xterm")], false),
            (false, &[("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "0")], false),
            (false, &[("CLICOLOR_FORCE", "")], false),
            (false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        ] {
            assert_eq!(style_of(is_terminal, variables).1, expected, "{is_terminal} {variables:?}");
        }
    }

    #[test]
    fn the_width_is_that_of_the_variable_or_of_a_terminal_or_none() {
        for (is_terminal, variables, expected) in [
            (true, &[][..], TERMINAL_COLUMNS),
            (false, &[], usize::MAX),
            (true, &[("COLUMNS", "72")], 72),
            (false, &[("COLUMNS", "72")], 72),
            (true, &[("COLUMNS", "3")], MIN_COLUMNS),
            (true, &[("COLUMNS", "0")], MIN_COLUMNS),
            (true, &[("COLUMNS", "")], TERMINAL_COLUMNS),
            (true, &[("COLUMNS", "wide")], TERMINAL_COLUMNS),
            (true, &[("COLUMNS", "-1")], TERMINAL_COLUMNS),
        ] {
            assert_eq!(style_of(is_terminal, variables).0, expected, "{is_terminal} {variables:?}");
        }
    }
}
