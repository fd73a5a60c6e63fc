//! Profiles, and the files of skopeo and regsync: whatever stands in them, reading never panics, and what was read is
//! written so that it reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_catalog::profile::{Profile, read};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(read) = read(text) else { return };
    let Ok(written) = read.profile.to_yaml() else { return };
    assert_eq!(Profile::parse(&written).as_ref(), Ok(&read.profile), "{written}");
});
