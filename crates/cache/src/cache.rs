//! The cache: finished folders, found by their kind and key.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::claim::{Claimed, claim, try_claim};
use crate::manifest::{self, FileRecord, MANIFEST, Manifest, SMALL, sync_folder};
use crate::stamp::{self, Stamp, Verified};
use crate::work::{self, Work};
use crate::{CacheError, Owner};

/// The function that the cache calls with one sentence that a user should read, such as that a folder is damaged or that
/// another process is being waited for.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// A cache: a folder on disk that holds finished folders, each below its kind.
#[derive(Clone)]
pub struct Cache {
    root: PathBuf,
    tell: Tell,
}

/// The name of a finished folder: its kind and its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    kind: String,
    key: String,
    folder: String,
}

/// A finished folder whose files were verified to be those that were written.
#[derive(Debug, Clone)]
pub struct Found {
    folder: PathBuf,
    manifest: Manifest,
}

/// A folder or file that lies in the cache, whether finished or not.
#[derive(Debug, Clone)]
pub struct Item {
    /// The path of the folder or file.
    pub path: PathBuf,
    /// A description in words of what it was made from; empty where there is no manifest that says so.
    pub recipe: String,
    /// The size of all its files in bytes.
    pub bytes: u64,
}

/// How many digits of a key name its folder: two keys in 2^64 share them, and the manifest has all digits.
const DIGITS: usize = 16;

impl Name {
    /// The name of a folder that is called `key` on disk, below the folder `kind`.
    pub fn new(kind: &str, key: &str) -> Self {
        Self { kind: kind.to_owned(), key: key.to_owned(), folder: key.to_owned() }
    }

    /// The name of a folder whose key is a digest of hexadecimal digits, and which is called by the first 16 of them on disk.
    pub fn of_digest(kind: &str, hex: &str) -> Self {
        let folder = hex[..DIGITS.min(hex.len())].to_owned();
        Self { kind: kind.to_owned(), key: hex.to_owned(), folder }
    }

    fn flat(&self) -> String {
        format!("{}-{}", self.kind, self.folder)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.folder)
    }
}

impl Found {
    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The path of the file `name` in the folder; the file need not exist.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The length and digest of the file `name`, or `None` where the folder was written without such a file.
    pub fn record(&self, name: &str) -> Option<&FileRecord> {
        self.manifest.files.get(name)
    }

    /// The manifest of the folder: its kind, key and recipe, and the length and digest of every file.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

impl Cache {
    /// The cache in the folder `root`, which is created with the first thing that is kept.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), tell: Arc::new(|_| ()) }
    }

    /// The same cache, which calls `tell` with what a user should read. Without this, such sentences are dropped.
    #[must_use]
    pub fn telling(self, tell: Tell) -> Self {
        Self { tell, ..self }
    }

    /// Passes a sentence that a user should read to the function of [`Cache::telling`].
    pub fn tell(&self, sentence: &str) {
        (self.tell)(sentence);
    }

    /// The folder that the cache is kept in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of the finished folder of this name, whether it exists or not.
    pub fn place(&self, name: &Name) -> PathBuf {
        self.root.join(&name.kind).join(&name.folder)
    }

    /// Whether there is a finished folder of this name. Its files are not verified.
    pub fn has(&self, name: &Name) -> bool {
        self.place(name).join(MANIFEST).is_file()
    }

    /// The finished folder of this name, after its files are verified; `None` where there is none.
    ///
    /// A damaged folder is moved to `damaged/`, the user is told, and the result is `None`.
    ///
    /// # Errors
    ///
    /// Where a damaged folder cannot be moved.
    pub fn get(&self, name: &Name) -> Result<Option<Found>, CacheError> {
        let folder = self.place(name);
        if !folder.is_dir() {
            return Ok(None);
        }
        match self.check(name, &folder, Depth::Changed) {
            Ok(manifest) => Ok(Some(Found { folder, manifest })),
            // Another process may have set it aside, or put another in its place, in this moment.
            Err(_) if !folder.is_dir() => Ok(None),
            Err(problem) => self.set_aside(name, &problem).map(|()| None),
        }
    }

    /// The finished folder of this name: found in the cache, or else made by `fill`, which is given an empty folder to write
    /// its files into. `recipe` says in words what it is made from.
    ///
    /// Where several processes want the same folder at once, one of them makes it and the others wait for it.
    ///
    /// ```
    /// use nir_cache::{Cache, CacheError, Name};
    ///
    /// let root = tempfile::tempdir().unwrap();
    /// let (cache, name) = (Cache::at(root.path()), Name::new("sums", "two-and-two"));
    /// let mut calls = 0;
    /// for _ in 0..2 {
    ///     let found = cache.make::<CacheError>(&name, "2 + 2", |folder| {
    ///         calls += 1;
    ///         std::fs::write(folder.join("sum.txt"), "4").map_err(CacheError::at(folder))
    ///     })?;
    ///     assert_eq!(found.record("sum.txt").unwrap().bytes, 1);
    /// }
    /// assert_eq!(calls, 1, "the second time the folder is found");
    /// # Ok::<(), CacheError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of `fill`, after which nothing is kept, or a [`CacheError`] where the cache cannot be read or written.
    pub fn make<E: From<CacheError>>(
        &self,
        name: &Name,
        recipe: &str,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Found, E> {
        if let Some(found) = self.get(name)? {
            return Ok(found);
        }
        let _claim = self.claim(name)?;
        if let Some(found) = self.get(name)? {
            return Ok(found);
        }
        self.fill(name, recipe, fill, false)
    }

    /// As [`Cache::make`], but without waiting: the result is `None` where another process is making the folder now. Several
    /// processes can share a list of folders to make in this way.
    ///
    /// # Errors
    ///
    /// As [`Cache::make`].
    pub fn make_unless_claimed<E: From<CacheError>>(
        &self,
        name: &Name,
        recipe: &str,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Option<Found>, E> {
        if let Some(found) = self.get(name)? {
            return Ok(Some(found));
        }
        let Claimed::Free(_claim) = try_claim(&self.lock(name))? else { return Ok(None) };
        if let Some(found) = self.get(name)? {
            return Ok(Some(found));
        }
        self.fill(name, recipe, fill, false).map(Some)
    }

    /// Makes the folder of this name with `fill`, even if there is one already. The old folder stays until the new one is
    /// finished, and is then replaced.
    ///
    /// # Errors
    ///
    /// As [`Cache::make`].
    pub fn make_anew<E: From<CacheError>>(
        &self,
        name: &Name,
        recipe: &str,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Found, E> {
        let _claim = self.claim(name)?;
        self.fill(name, recipe, fill, true)
    }

    fn claim(&self, name: &Name) -> Result<impl Sized, CacheError> {
        let waiting =
            |owner: &Owner| (self.tell)(&format!("waiting for {owner}, which makes {name}"));
        claim(&self.lock(name), waiting)
    }

    fn lock(&self, name: &Name) -> PathBuf {
        self.root.join(work::CLAIMS).join(format!("{}.lock", name.flat()))
    }

    fn fill<E: From<CacheError>>(
        &self,
        name: &Name,
        recipe: &str,
        fill: impl FnOnce(&Path) -> Result<(), E>,
        replace: bool,
    ) -> Result<Found, E> {
        let work = Work::begin(&self.root)?;
        fill(work.path())?;
        let describe = |folder: &Path| {
            let manifest = Manifest::of(folder, &name.kind, &name.key, recipe)?;
            manifest.write(folder).map(|()| manifest)
        };
        let manifest = describe(work.path()).map_err(CacheError::at(work.path()))?;
        Ok(self.publish(name, &work, manifest, replace)?)
    }

    /// Gives finished work its name. Where another process was faster its folder stays, unless it is to be replaced.
    fn publish(
        &self,
        name: &Name,
        work: &Work,
        manifest: Manifest,
        replace: bool,
    ) -> Result<Found, CacheError> {
        let folder = self.place(name);
        let parent = folder.parent().expect("a kind is above it");
        fs::create_dir_all(parent).map_err(CacheError::at(parent))?;
        if !replace && let Some(found) = self.get(name)? {
            return Ok(found);
        }
        let former = Work::begin(&self.root)?;
        match fs::rename(&folder, former.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CacheError::at(&folder)(error));
            }
            _ => {}
        }
        fs::rename(work.path(), &folder).map_err(CacheError::at(&folder))?;
        sync_folder(parent).map_err(CacheError::at(parent))?;
        self.remember(name, &folder, &manifest);
        Ok(Found { folder, manifest })
    }

    /// Files that were just written and described need not be read again.
    fn remember(&self, name: &Name, folder: &Path, manifest: &Manifest) {
        let mut verified = Verified::new(&name.key);
        for (file, _) in manifest.files.iter().filter(|(_, record)| record.bytes > SMALL) {
            if let Ok(meta) = fs::metadata(folder.join(file)) {
                verified.add(file, Stamp::of(&meta));
            }
        }
        verified.write(&stamp::place(&self.root, &name.kind, &name.folder));
    }

    /// The manifest of a folder whose files are as it says; the error says what is wrong.
    fn check(&self, name: &Name, folder: &Path, depth: Depth) -> Result<Manifest, String> {
        let manifest = Manifest::read(folder)?;
        if (&manifest.kind, &manifest.key) != (&name.kind, &name.key) {
            return Err(format!("it holds {}/{}", manifest.kind, manifest.key));
        }
        let kept = stamp::place(&self.root, &name.kind, &name.folder);
        let mut verified = match depth {
            Depth::Changed => Verified::read(&kept, &name.key),
            Depth::All => Verified::new(&name.key),
        };
        let mut is_new = false;
        for (file, record) in &manifest.files {
            is_new |= check_file(folder, file, record, &mut verified)?;
        }
        if is_new {
            verified.write(&kept);
        }
        Ok(manifest)
    }

    /// Moves a damaged thing out of the way, and says so.
    fn set_aside(&self, name: &Name, problem: &str) -> Result<(), CacheError> {
        let aside = self.root.join("damaged");
        fs::create_dir_all(&aside).map_err(CacheError::at(&aside))?;
        let folder = self.place(name);
        let prefix = format!("{}-", name.flat());
        let moved =
            tempfile::Builder::new().prefix(&prefix).disable_cleanup(true).tempdir_in(&aside);
        let moved = moved.map_err(CacheError::at(&aside))?.keep();
        match fs::rename(&folder, &moved) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Another process has just done it.
                let _ = fs::remove_dir(&moved);
            }
            renamed => {
                renamed.map_err(CacheError::at(&folder))?;
                let (from, to) = (folder.display(), moved.display());
                (self.tell)(&format!("{from} is damaged: {problem}; set aside as {to}"));
            }
        }
        Ok(())
    }

    /// Reads every file of a finished folder and compares it with its manifest. A damaged folder is moved to `damaged/`, and the
    /// result says in words what is wrong with it; `None` where nothing is.
    ///
    /// # Errors
    ///
    /// Where a damaged folder cannot be moved.
    pub fn verify(&self, name: &Name) -> Result<Option<String>, CacheError> {
        match self.check(name, &self.place(name), Depth::All) {
            Ok(_) => Ok(None),
            // Removed or replaced by another process in this moment.
            Err(_) if !self.place(name).is_dir() => Ok(None),
            Err(problem) => self.set_aside(name, &problem).map(|()| Some(problem)),
        }
    }

    /// The names of all folders of a kind that have a manifest, as the manifest gives them.
    ///
    /// # Errors
    ///
    /// Where the folder of the kind cannot be read.
    pub fn names(&self, kind: &str) -> Result<Vec<Name>, CacheError> {
        let folders = entries(&self.root.join(kind))?.into_iter().filter(|path| path.is_dir());
        let name = |path: PathBuf| {
            let folder = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let key =
                Manifest::read(&path).map_or_else(|_| folder.clone(), |manifest| manifest.key);
            Name { kind: kind.to_owned(), key, folder }
        };
        Ok(folders.map(name).collect())
    }

    /// Everything in the folder of a kind: finished folders, and any other file or folder there. What another process removes or
    /// renames meanwhile is left out.
    ///
    /// # Errors
    ///
    /// Where the folder of the kind cannot be read.
    pub fn items(&self, kind: &str) -> Result<Vec<Item>, CacheError> {
        let item = |path: PathBuf| {
            let recipe = Manifest::read(&path).map(|manifest| manifest.recipe).unwrap_or_default();
            match size(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(source) => Some(Err(CacheError { path, source })),
                Ok(bytes) => Some(Ok(Item { path, recipe, bytes })),
            }
        };
        entries(&self.root.join(kind))?.into_iter().filter_map(item).collect()
    }

    /// Removes everything of a kind. A folder that another process is making now is kept: it lies in `work/` until it is
    /// finished.
    ///
    /// # Errors
    ///
    /// Where something cannot be removed.
    pub fn clear(&self, kind: &str) -> Result<(), CacheError> {
        if [work::WORK, work::CLAIMS].contains(&kind) {
            work::sweep(&self.root);
            return Ok(());
        }
        entries(&self.root.join(kind))?.iter().try_for_each(|path| self.remove(path))
    }

    /// Removes one of [`Cache::items`] by its path. It is no error if it is gone already.
    ///
    /// # Errors
    ///
    /// Where it cannot be removed.
    pub fn remove(&self, path: &Path) -> Result<(), CacheError> {
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(CacheError::at(path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the unfinished folders of processes that have ended. Those of running processes are kept.
    pub fn sweep(&self) {
        work::sweep(&self.root);
    }

    /// Whether a file outside the finished folders, such as weights in another program's cache, is what `key` says:
    /// `is_right` reads it through, at its first use after the machine started and again when it changed.
    pub fn is_verified(
        &self,
        path: &Path,
        key: &str,
        is_right: impl FnOnce(&Path) -> io::Result<bool>,
    ) -> Result<bool, CacheError> {
        let at = CacheError::at(path);
        let own = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
        let kept = stamp::place(&self.root, "file", &own[..DIGITS]);
        let mut verified = Verified::read(&kept, key);
        let check = || {
            let stamp = Stamp::of(&fs::metadata(path)?);
            if verified.has("", &stamp) {
                return Ok(true);
            }
            let right = is_right(path)?;
            if right {
                verified.add("", stamp);
                verified.write(&kept);
            }
            Ok(right)
        };
        check().map_err(at)
    }
}

/// The files that a check reads as a whole.
#[derive(Clone, Copy)]
enum Depth {
    /// Small ones, and large ones that were not read since the machine started or changed since.
    Changed,
    /// All files.
    All,
}

/// Compares a file with what was written; whether a large one was read through.
fn check_file(
    folder: &Path,
    file: &str,
    record: &FileRecord,
    verified: &mut Verified,
) -> Result<bool, String> {
    let path = folder.join(file);
    let unreadable = |error: io::Error| format!("`{file}` cannot be read ({error})");
    let meta = fs::metadata(&path).map_err(unreadable)?;
    if let Some(problem) = record.wrong_length(meta.len()) {
        return Err(format!("`{file}` has {problem}"));
    }
    let stamp = Stamp::of(&meta);
    let is_large = record.bytes > SMALL;
    if is_large && verified.has(file, &stamp) {
        return Ok(false);
    }
    if let Some(problem) = record.wrong_content(&path).map_err(unreadable)? {
        return Err(format!("`{file}` has {problem}"));
    }
    if is_large {
        verified.add(file, stamp);
    }
    Ok(is_large)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, CacheError> {
    let read = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(CacheError::at(folder))?,
    };
    let mut paths: Vec<PathBuf> = read
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()
        .map_err(CacheError::at(folder))?;
    paths.sort();
    Ok(paths)
}

/// The size in bytes of a file, or of all files below a folder together.
///
/// # Errors
///
/// Where the file or a folder cannot be read.
pub fn size(path: &Path) -> io::Result<u64> {
    let meta = fs::symlink_metadata(path)?;
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    let files = manifest::files_below(path)?;
    files.iter().map(|file| fs::symlink_metadata(file).map(|meta| meta.len())).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Told {
        root: tempfile::TempDir,
        cache: Cache,
        said: Arc<Mutex<Vec<String>>>,
    }

    fn cache() -> Told {
        let root = tempfile::tempdir().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let hear = Arc::clone(&said);
        let tell: Tell = Arc::new(move |sentence| hear.lock().unwrap().push(sentence.to_owned()));
        let cache = Cache::at(root.path()).telling(tell);
        Told { root, cache, said }
    }

    fn make(cache: &Cache, name: &Name, content: &[u8]) -> Found {
        let fill = |folder: &Path| {
            fs::write(folder.join("small"), "small").map_err(CacheError::at(folder))?;
            fs::write(folder.join("large"), content).map_err(CacheError::at(folder))
        };
        cache.make::<CacheError>(name, "a recipe", fill).unwrap()
    }

    fn large() -> Vec<u8> {
        (0..SMALL as u32 + 100).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn what_is_made_once_is_found() {
        let Told { cache, .. } = cache();
        let name = Name::of_digest("indexes", &"ab".repeat(32));
        assert!(cache.get(&name).unwrap().is_none());
        make(&cache, &name, &large());
        let again = cache.make::<CacheError>(&name, "", |_| panic!("it is there")).unwrap();
        assert_eq!(again.manifest().recipe, "a recipe");
        assert!(again.path().ends_with("indexes/abababababababab"));
        assert_eq!(cache.items("work").unwrap().len(), 0);
        assert_eq!(cache.items("claims").unwrap().len(), 0);
    }

    #[test]
    fn every_kind_of_damage_is_set_aside_and_made_anew() {
        let good = large();
        let flipped = |at: usize| {
            let mut bytes = large();
            bytes[at] ^= 4;
            bytes
        };
        let damages: [(&str, Option<Vec<u8>>); 7] = [
            ("large", Some(flipped(SMALL as usize / 2))),
            ("large", Some(good[..good.len() - 1].to_vec())),
            ("large", Some(Vec::new())),
            ("large", None),
            ("small", Some(b"smalm".to_vec())),
            (MANIFEST, Some(Vec::new())),
            (MANIFEST, None),
        ];
        for (file, damage) in damages {
            let Told { cache, said, .. } = cache();
            let name = Name::new("vectors", "v");
            let path = make(&cache, &name, &good).file(file);
            match damage {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            assert!(cache.get(&name).unwrap().is_none(), "{file}");
            let told = said.lock().unwrap().pop().unwrap();
            assert!(told.contains("is damaged") && told.contains(file), "{told}");
            assert_eq!(cache.items("damaged").unwrap().len(), 1);
            make(&cache, &name, &good);
            assert!(cache.get(&name).unwrap().is_some());
        }
    }

    #[test]
    fn a_thing_under_the_name_of_another_is_no_such_thing() {
        let Told { cache, .. } = cache();
        let (a, b) = (Name::new("runs", "a"), Name::new("runs", "b"));
        make(&cache, &a, b"a");
        make(&cache, &b, b"b");
        fs::remove_dir_all(cache.place(&a)).unwrap();
        fs::rename(cache.place(&b), cache.place(&a)).unwrap();
        assert!(cache.get(&a).unwrap().is_none());
    }

    #[test]
    fn a_large_file_is_read_through_once_and_again_when_it_changed() {
        let Told { cache, root, .. } = cache();
        let name = Name::new("vectors", "v");
        make(&cache, &name, &large());
        let kept = stamp::place(root.path(), "vectors", "v");
        fs::remove_file(&kept).unwrap();
        cache.get(&name).unwrap().unwrap();
        let first = fs::metadata(&kept).unwrap().modified().unwrap();
        cache.get(&name).unwrap().unwrap();
        assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), first, "nothing new to keep");
        // The same content at another time is read, found right and kept again.
        fs::write(cache.place(&name).join("large"), large()).unwrap();
        cache.get(&name).unwrap().unwrap();
        assert!(fs::metadata(&kept).unwrap().modified().unwrap() > first);
    }

    #[test]
    fn of_many_that_want_it_one_makes_it() {
        let Told { cache, .. } = cache();
        let made = AtomicUsize::new(0);
        let fill = |folder: &Path| {
            made.fetch_add(1, Ordering::SeqCst);
            fs::write(folder.join("f"), "x").map_err(CacheError::at(folder))
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let name = Name::new("indexes", "i");
                scope.spawn(|| cache.make::<CacheError>(&{ name }, "", fill).unwrap());
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_fails_leaves_nothing() {
        let Told { cache, .. } = cache();
        let fail = |folder: &Path| {
            fs::write(folder.join("half"), "x").map_err(CacheError::at(folder))?;
            Err(CacheError::at(folder)(io::Error::other("no more")))
        };
        assert!(cache.make::<CacheError>(&Name::new("runs", "r"), "", fail).is_err());
        for kind in ["runs", "work", "claims"] {
            assert_eq!(cache.items(kind).unwrap().len(), 0, "{kind}");
        }
    }

    #[test]
    fn made_anew_replaces_what_was_there() {
        let Told { cache, .. } = cache();
        let name = Name::new("corpora", "c");
        make(&cache, &name, b"old");
        let fill =
            |folder: &Path| fs::write(folder.join("large"), "new").map_err(CacheError::at(folder));
        cache.make_anew::<CacheError>(&name, "", fill).unwrap();
        let found = cache.get(&name).unwrap().unwrap();
        assert_eq!(fs::read(found.file("large")).unwrap(), b"new");
        assert!(found.record("small").is_none());
    }
}
