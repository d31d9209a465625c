//! A line of a drawing: pieces of text, some in a colour, cut where the line ends.

use std::borrow::Cow;
use std::fmt;

use super::TreeStyle;

/// Pieces of text that follow one another.
#[derive(Default)]
pub(super) struct Line<'a> {
    pieces: Vec<(Paint, Cow<'a, str>)>,
    n_chars: usize,
}

/// The number that a terminal knows a colour by; empty for none.
type Paint = &'static str;

impl<'a> Line<'a> {
    pub(super) fn plain(&mut self, text: impl Into<Cow<'a, str>>) {
        self.push("", text.into());
    }

    pub(super) fn bold(&mut self, text: impl Into<Cow<'a, str>>) {
        self.push("1", text.into());
    }

    pub(super) fn dim(&mut self, text: impl Into<Cow<'a, str>>) {
        self.push("2", text.into());
    }

    pub(super) fn red(&mut self, text: impl Into<Cow<'a, str>>) {
        self.push("31", text.into());
    }

    pub(super) fn cyan(&mut self, text: impl Into<Cow<'a, str>>) {
        self.push("36", text.into());
    }

    pub(super) fn n_chars(&self) -> usize {
        self.n_chars
    }

    /// Writes the line, with … at its end where it was cut.
    pub(super) fn draw(&self, style: TreeStyle, out: &mut impl fmt::Write) -> fmt::Result {
        let is_cut = self.n_chars > style.columns();
        let mut n_chars_left = if is_cut { style.columns() - 1 } else { self.n_chars };
        for (paint, text) in &self.pieces {
            let text = first_chars(text, n_chars_left);
            n_chars_left -= text.chars().count();
            match *paint {
                "" => out.write_str(text)?,
                _ if !style.has_colors() || text.is_empty() => out.write_str(text)?,
                paint => write!(out, "\u{1b}[{paint}m{text}\u{1b}[0m")?,
            }
        }
        out.write_str(if is_cut { "…\n" } else { "\n" })
    }

    fn push(&mut self, paint: Paint, text: Cow<'a, str>) {
        self.n_chars += text.chars().count();
        self.pieces.push((paint, text));
    }
}

/// Cuts a text that has more characters, of which the last is then ….
pub(super) fn shortened(text: &str, max_chars: usize) -> Cow<'_, str> {
    match text.chars().nth(max_chars) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(format!("{}…", first_chars(text, max_chars.saturating_sub(1)))),
    }
}

fn first_chars(text: &str, n_chars: usize) -> &str {
    text.char_indices().nth(n_chars).map_or(text, |(end, _)| &text[..end])
}
