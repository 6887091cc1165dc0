//! How the hub is reached: what `huggingface_hub` reads from the environment, so that one setting serves both.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How to reach the hub, and where to keep its files.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address of the hub, without a slash at its end.
    pub endpoint: String,
    /// The folder of the hub's standard cache, which has one folder `models--org--name` for each model.
    pub cache: PathBuf,
    /// The access token; public models need none.
    pub token: Option<Token>,
    /// The file that a token is read from, for messages.
    pub token_file: PathBuf,
    /// Whether the network must not be used.
    pub offline: bool,
    /// The limits on waiting and retrying.
    pub patience: Patience,
}

/// A secret access token, whose `Debug` output does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How long a download waits, how often it is tried, and how much of the disk it leaves free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The longest wait for a connection.
    pub connect: Duration,
    /// The longest wait for the next bytes.
    pub silence: Duration,
    /// The lowest speed that is accepted.
    pub pace: Pace,
    /// The number of attempts in a row that may each bring fewer bytes than the pace asks of one window.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each further one.
    pub backoff: Duration,
    /// The number of bytes on the disk that must remain free.
    pub spare: u64,
}

/// The lowest speed of a download: at least `bytes` in each window. Without it, a server that sends a byte now and then
/// would never time out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The number of bytes in each window.
    pub bytes: u64,
    /// The length of a window.
    pub within: Duration,
}

impl Patience {
    /// The limits for servers on the internet.
    pub const INTERNET: Self = Self {
        connect: Duration::from_secs(10),
        silence: Duration::from_mins(1),
        // 1 KiB a second: slower than any line that a model of 100 MB would be fetched over.
        pace: Pace { bytes: 60 << 10, within: Duration::from_mins(1) },
        attempts: 5,
        backoff: Duration::from_millis(500),
        spare: 256 << 20,
    };
}

impl Settings {
    /// From the environment of this process.
    ///
    /// | variable                                   | says                                                      |
    /// |--------------------------------------------|-----------------------------------------------------------|
    /// | `HF_ENDPOINT`                              | the hub's address, `https://huggingface.co` if unset      |
    /// | `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`    | the cache, `hub` in the home below if unset               |
    /// | `HF_HOME`                                  | the home, `$XDG_CACHE_HOME/huggingface` or `~/.cache/huggingface` if unset |
    /// | `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`       | the token                                                 |
    /// | `HF_TOKEN_PATH`                            | its file, `token` in the home if unset                    |
    /// | `HF_HUB_DISABLE_IMPLICIT_TOKEN`            | send no token                                             |
    /// | `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE`   | do not use the network                                    |
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// Settings from any source of variables, in place of the environment; an empty variable counts as unset.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| var(name).filter(set));
        let path = |names: &[&str]| first(names).map(PathBuf::from);
        let home = path(&["HF_HOME"])
            .or_else(|| Some(path(&["XDG_CACHE_HOME"])?.join("huggingface")))
            .or_else(|| Some(path(&["HOME", "USERPROFILE"])?.join(".cache/huggingface")))
            .unwrap_or_else(|| std::env::temp_dir().join("huggingface"));
        let token_file = path(&["HF_TOKEN_PATH"]).unwrap_or_else(|| home.join("token"));
        let token = match first(&["HF_HUB_DISABLE_IMPLICIT_TOKEN"]) {
            Some(_) => None,
            None => first(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]).or_else(|| read(&token_file)),
        };
        let endpoint = first(&["HF_ENDPOINT"]);
        Self {
            endpoint: endpoint.as_deref().map_or("https://huggingface.co", trim).to_owned(),
            cache: path(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"])
                .unwrap_or_else(|| home.join("hub")),
            token: token.map(|text| Token(text.trim().to_owned())),
            token_file,
            offline: first(&["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]).is_some_and(is_true),
            patience: Patience::INTERNET,
        }
    }
}

#[expect(clippy::ptr_arg, reason = "`Option::filter` gives a `&String`")]
fn set(text: &String) -> bool {
    !text.trim().is_empty()
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().filter(set)
}

fn trim(endpoint: &str) -> &str {
    endpoint.trim_end_matches('/')
}

/// Whether the value of a variable switches it on, by the rule of `huggingface_hub`.
#[expect(clippy::needless_pass_by_value, reason = "`Option::is_some_and` gives a `String`")]
fn is_true(text: String) -> bool {
    ["1", "on", "yes", "true"].contains(&text.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Settings {
        let find = |name: &str| vars.iter().find(|(known, _)| *known == name);
        Settings::from_vars(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_cache_is_where_huggingface_hub_has_it() {
        let home = ("HOME", "/home/x");
        let cases: [(&[(&str, &str)], &str); 5] = [
            (&[home], "/home/x/.cache/huggingface/hub"),
            (&[home, ("XDG_CACHE_HOME", "/c")], "/c/huggingface/hub"),
            (&[home, ("XDG_CACHE_HOME", "/c"), ("HF_HOME", "/h")], "/h/hub"),
            (&[home, ("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
            (&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/new")], "/new"),
        ];
        for (vars, expected) in cases {
            assert_eq!(settings(vars).cache, Path::new(expected), "{vars:?}");
        }
    }

    #[test]
    fn a_token_comes_from_the_variable_or_the_file_and_never_shows() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "from_file\n").unwrap();
        let home = ("HF_HOME", folder.path().to_str().unwrap());
        let token = |vars: &[(&str, &str)]| settings(vars).token.map(|token| token.0);
        assert_eq!(token(&[home]).as_deref(), Some("from_file"));
        assert_eq!(token(&[home, ("HF_TOKEN", "from_var")]).as_deref(), Some("from_var"));
        assert_eq!(token(&[home, ("HF_TOKEN", "")]).as_deref(), Some("from_file"));
        assert_eq!(token(&[home, ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        assert_eq!(token(&[home, ("HF_TOKEN_PATH", "/nowhere")]), None);
        assert!(!format!("{:?}", settings(&[home])).contains("from_file"));
    }

    #[test]
    fn offline_is_a_switch_and_the_endpoint_has_no_slash_at_the_end() {
        let offline = |value| settings(&[("HF_HUB_OFFLINE", value)]).offline;
        assert!(offline("1") && offline("True") && !offline("0") && !offline(""));
        assert!(settings(&[("TRANSFORMERS_OFFLINE", "yes")]).offline);
        assert_eq!(settings(&[]).endpoint, "https://huggingface.co");
        assert_eq!(settings(&[("HF_ENDPOINT", "http://m/")]).endpoint, "http://m");
    }
}
