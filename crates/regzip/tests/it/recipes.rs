//! Recipes as text, and what holds when plain bytes do not fit them.

use std::num::NonZeroUsize;

use regzip::{Encoder, MAX_MEMBERS, RebuildError, Rebuilder, Recipe, RecipeError};

const HEADER: &str = "1f8b08000000000000ff";

#[test]
fn text_and_recipe_tell_the_same() {
    let texts = [
        format!("{HEADER} go-1.19:level=6 1048576\n"),
        format!("{HEADER} go-1.19:level=-2 1,2,0\n{HEADER} zlib-1.2:level=9,memory=8 3\ntrailing 0000ff\n"),
        format!("{HEADER} pgzip-1.15.12:level=5,block=1048576 18446744073709551615\n"),
        format!("{HEADER} pigz-2:level=6,block=131072,blocks=independent 5\n"),
    ];
    for text in texts {
        let recipe: Recipe = text.parse().unwrap();
        assert_eq!(recipe.to_string(), text);
    }
}

#[test]
fn what_is_no_recipe_is_refused() {
    let long = format!("{HEADER} go-1.19:level=6 {}", vec!["1"; MAX_MEMBERS + 1].join(","));
    let max = u64::MAX;
    let cases = [
        (String::new(), RecipeError::Size),
        (long, RecipeError::Size),
        (format!("{HEADER} go-1.19:level=6 {max},1"), RecipeError::Size),
        ("trailing 00".to_owned(), RecipeError::Size),
        ("1f8b08 go-1.19:level=6 1".to_owned(), RecipeError::Header),
        (format!("{HEADER}00 go-1.19:level=6 1"), RecipeError::Header),
        (format!("{HEADER} go-1.19:level=6"), RecipeError::Text { line: 1 }),
        (format!("{HEADER} go-1.19:level=6 1 2"), RecipeError::Text { line: 1 }),
        (format!("{HEADER} go-1.19:level=6 -1"), RecipeError::Text { line: 1 }),
        (format!("{HEADER} go-1.19:level=6 1\ntrailing 0"), RecipeError::Text { line: 2 }),
        (format!("{HEADER} go-1.19:level=6 1\ntrailing "), RecipeError::Text { line: 2 }),
        (
            format!("{HEADER} go-1.19:level=6 1\ntrailing 00\n{HEADER} go-1.19:level=6 1"),
            RecipeError::Text { line: 3 },
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<Recipe>().unwrap_err(), expected, "{:.80}", text);
    }
}

#[test]
fn an_unknown_encoder_is_named() {
    let texts = [
        "go-1.27:level=6",
        "go-1.19:level=10",
        "go-1.19:level=-1",
        "go-1.19:level=06",
        "go-1.19:level=6,block=1",
        "go-1.19",
        "pgzip-1.18.2:level=5,block=16384",
        "pgzip-1.18.2:level=5,block=4294967295",
        "zlib-1.2:level=0,memory=8",
        "pigz-2:level=6,block=131072,blocks=loose",
        "",
    ];
    for text in texts {
        let error = text.parse::<Encoder>().unwrap_err();
        assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
    }
    let error = format!("{HEADER} go-1.27:level=6 1").parse::<Recipe>().unwrap_err();
    assert!(matches!(error, RecipeError::Encoder { line: 1, .. }));
}

#[test]
fn plain_bytes_have_to_be_as_many_as_the_recipe_says() {
    let recipe: Recipe = format!("{HEADER} go-1.19:level=6 2,0,3\n").parse().unwrap();
    let rebuild = |plain: &[u8]| {
        let mut rebuilder = Rebuilder::new(&recipe, NonZeroUsize::MIN);
        let mut out = Vec::new();
        rebuilder.write(plain, &mut out)?;
        rebuilder.finish(&mut out)
    };
    assert!(matches!(rebuild(b"abcd"), Err(RebuildError::TooFew { expected: 5 })));
    assert!(matches!(rebuild(b""), Err(RebuildError::TooFew { expected: 5 })));
    assert!(matches!(rebuild(b"abcdef"), Err(RebuildError::TooMany { expected: 5 })));
    rebuild(b"abcde").unwrap();
}
