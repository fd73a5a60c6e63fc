//! A request's target: reading never panics, and what is read prints as it reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_registry::wire::{Route, RouteError};

fn parse(target: &str) -> Result<Route, RouteError> {
    match target.split_once('?') {
        Some((path, query)) => Route::parse(path, Some(query)),
        None => Route::parse(target, None),
    }
}

fuzz_target!(|target: &str| {
    if let Ok(route) = parse(target) {
        assert_eq!(parse(&route.path_and_query()), Ok(route));
    }
});
