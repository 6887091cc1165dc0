//! The cache: finished folders by kind and key.

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

/// Is told in one sentence of what a user should know: a damaged folder, a wait for another process.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// A folder of finished folders.
#[derive(Clone)]
pub struct Cache {
    root: PathBuf,
    tell: Tell,
}

/// What a folder of the cache is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    kind: String,
    key: String,
    folder: String,
}

/// A finished folder whose files are those that were written.
#[derive(Debug, Clone)]
pub struct Found {
    folder: PathBuf,
    manifest: Manifest,
}

/// Something in the cache.
#[derive(Debug, Clone)]
pub struct Item {
    /// Where it lies.
    pub path: PathBuf,
    /// What it was made from, in words; empty where nothing says so.
    pub recipe: String,
    /// Its size on disk.
    pub bytes: u64,
}

/// How many digits of a key name its folder: two keys in 2^64 share them, and the manifest has all digits.
const DIGITS: usize = 16;

impl Name {
    /// A thing whose folder has its name.
    pub fn new(kind: &str, key: &str) -> Self {
        Self { kind: kind.to_owned(), key: key.to_owned(), folder: key.to_owned() }
    }

    /// A thing named by a digest, whose folder has the first digits of it.
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
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The length and digest of a file in it, as they were written and as they are.
    pub fn record(&self, name: &str) -> Option<&FileRecord> {
        self.manifest.files.get(name)
    }

    /// What it is and holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

impl Cache {
    /// A cache in this folder, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), tell: Arc::new(|_| ()) }
    }

    /// The same cache, with someone who is told what a user should know.
    #[must_use]
    pub fn telling(self, tell: Tell) -> Self {
        Self { tell, ..self }
    }

    /// Says a sentence that a user should read, as damage is told.
    pub fn tell(&self, sentence: &str) {
        (self.tell)(sentence);
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a thing is, or would be.
    pub fn place(&self, name: &Name) -> PathBuf {
        self.root.join(&name.kind).join(&name.folder)
    }

    /// Whether there is something of this name; what it holds is not looked at.
    pub fn has(&self, name: &Name) -> bool {
        self.place(name).join(MANIFEST).is_file()
    }

    /// The finished thing of this name, verified.
    ///
    /// What is damaged is set aside, said, and none.
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

    /// The thing of this name: found, or made by `fill` in a new folder.
    ///
    /// Of several processes that want it at once, one makes it and the others wait. `recipe` is what it is made from, in
    /// words.
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

    /// As [`Cache::make`], but nobody is waited for: none where another process makes it at this moment. So several
    /// processes can share a list of things to make.
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

    /// The thing of this name, made by `fill` whatever is there; the former stays until the new one is whole.
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

    /// Reads every file of a thing and compares it with what was written. What is damaged is set aside; the problem.
    pub fn verify(&self, name: &Name) -> Result<Option<String>, CacheError> {
        match self.check(name, &self.place(name), Depth::All) {
            Ok(_) => Ok(None),
            // Removed or replaced by another process in this moment.
            Err(_) if !self.place(name).is_dir() => Ok(None),
            Err(problem) => self.set_aside(name, &problem).map(|()| Some(problem)),
        }
    }

    /// Everything of a kind that has a manifest, by the name that it gives itself.
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

    /// Everything in the folder of a kind: finished things, and whatever else lies there. What another process removes or
    /// renames at this moment is passed over.
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

    /// Removes everything of a kind. What another process makes at this moment is in `work` and stays.
    pub fn clear(&self, kind: &str) -> Result<(), CacheError> {
        if [work::WORK, work::CLAIMS].contains(&kind) {
            work::sweep(&self.root);
            return Ok(());
        }
        entries(&self.root.join(kind))?.iter().try_for_each(|path| self.remove(path))
    }

    /// Removes one thing of [`Cache::items`]; it may be gone already.
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

    /// Removes what dead processes left, and nothing of a live one.
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

/// Which files are read through.
#[derive(Clone, Copy)]
enum Depth {
    /// Small ones, and large ones that were not read since the machine started or changed since.
    Changed,
    /// All.
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

/// Bytes of a file, or of all files below a folder.
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
