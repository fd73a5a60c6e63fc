//! Password files for a registry that asks who one is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The lowest cost there is: these passwords protect nothing, and tests check them often.
const COST: u32 = 4;

/// Writes a file `htpasswd` for `users`, each a name and a password, and returns its path. The passwords are
/// hashed with bcrypt, the one kind that `docker-registry` takes.
///
/// # Errors
/// When the file cannot be written, or a password is longer than bcrypt's 72 bytes.
pub fn write_htpasswd(directory: &Path, users: &[(&str, &str)]) -> io::Result<PathBuf> {
    let mut lines = String::new();
    for (name, password) in users {
        let hash = bcrypt::non_truncating_hash(password, COST).map_err(io::Error::other)?;
        lines += &format!("{name}:{hash}\n");
    }
    let path = directory.join("htpasswd");
    fs::write(&path, lines)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker_registry::{DockerRegistry, RegistryOptions};
    use crate::images::tiny_set;
    use crate::peers;
    use crate::pushing::seed_docker_registry;

    #[tokio::test]
    async fn the_registry_lets_in_who_knows_the_password() {
        if !peers::interop_wanted() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let set = tiny_set(&directory.path().join("set")).unwrap();
        let storage = directory.path().join("storage");
        seed_docker_registry(&storage, "", &set).unwrap();
        let htpasswd = write_htpasswd(directory.path(), &[("other", "x"), ("user", "pass:word")]).unwrap();
        let (storage, htpasswd) = (Some(storage), Some(htpasswd));
        let options = RegistryOptions { storage, htpasswd, ..RegistryOptions::default() };
        let registry = DockerRegistry::start(&options).await.unwrap();
        let image = format!("docker://{}/one:1", registry.address());
        for (credentials, welcome) in [("user:pass:word", true), ("user:x", false)] {
            let inspect = ["inspect", "--raw", "--tls-verify=false", "--creds", credentials, &image];
            let answer = peers::skopeo(&inspect).await;
            assert_eq!(answer.is_ok(), welcome, "{answer:?}");
        }
    }
}
