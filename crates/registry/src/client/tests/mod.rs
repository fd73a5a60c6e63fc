//! The client against servers: sealift's own, and scripted ones that do what real registries do.

mod conformance;
