//! Printing for programs whose output may be piped into `head`.

/// Prints a line to standard output, as `println!` does, but does not panic where nobody reads it any more.
///
/// ```
/// examples::say!("Getting website for {}", "Alder Analytics");
/// ```
#[macro_export]
macro_rules! say {
    ($($line:tt)*) => {{
        // The program goes on: its spans are worth sending even if nobody reads along.
        let _ = ::std::io::Write::write_fmt(&mut ::std::io::stdout(), format_args!("{}\n", format_args!($($line)*)));
    }};
}

/// Prints a line to standard error, as `eprintln!` does, but does not panic where nobody reads it any more.
#[macro_export]
macro_rules! complain {
    ($($line:tt)*) => {{
        let _ = ::std::io::Write::write_fmt(&mut ::std::io::stderr(), format_args!("{}\n", format_args!($($line)*)));
    }};
}
