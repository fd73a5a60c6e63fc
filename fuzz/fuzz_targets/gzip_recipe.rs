//! A recipe for a gzip stream: reading never panics, and one recipe has one text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(recipe) = text.parse::<regzip::Recipe>() {
        let written = recipe.to_string();
        assert_eq!(written.parse().as_ref(), Ok(&recipe));
    }
});
