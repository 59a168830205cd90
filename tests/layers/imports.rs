//! Which file uses which: one node a file, and an edge for each name that a file takes from another.
//!
//! An edge leads to the file that defines the name. A name that a `mod.rs` only re-exports belongs to the file behind
//! it, so a child may write `super::Name` for a name of its sibling. The re-export itself is an edge from the `mod.rs`
//! to the child. A child that takes a name which its `mod.rs` defines is therefore in a cycle with it, if the `mod.rs`
//! takes or re-exports anything of that child. `mod child;` alone is no edge.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{CodePath, Source};

/// Paths through aliases end after so many steps, because an alias may name itself.
const MAX_STEPS: usize = 8;

/// The paths of all files, from the root of the crate.
pub struct Imports<'a> {
    sources: &'a [Source],
    paths: Vec<Vec<CodePath>>,
    /// Each file's place in the list, by its module.
    modules: BTreeMap<Vec<String>, usize>,
    /// What each file's `use` declarations call what.
    aliases: Vec<BTreeMap<String, usize>>,
}

impl<'a> Imports<'a> {
    pub fn new(sources: &'a [Source]) -> Self {
        let paths: Vec<Vec<CodePath>> = sources.iter().map(Source::paths).collect();
        // `main.rs` is a crate of its own.
        let modules = sources.iter().enumerate().filter(|(_, source)| source.path != "main.rs");
        let modules = modules.map(|(file, source)| (source.module(), file)).collect();
        let alias = |(n, path): (usize, &CodePath)| Some((path.alias.clone()?, n));
        let aliases = paths.iter().map(|paths| paths.iter().enumerate().filter_map(alias).collect()).collect();
        Self { sources, paths, modules, aliases }
    }

    /// Every path of a file, with its aliases resolved: from the root of this crate, or of another one.
    pub fn of(&self, file: usize) -> BTreeSet<(Root, Vec<String>)> {
        self.paths[file].iter().map(|path| self.resolved(file, &path.module, &path.segments, MAX_STEPS)).collect()
    }

    fn resolved(&self, file: usize, module: &[String], segments: &[String], steps: usize) -> (Root, Vec<String>) {
        let (first, rest) = segments.split_first().expect("a path has a name");
        let within = |module: &[String]| (Root::Crate, [module, rest].concat());
        match first.as_str() {
            "crate" => within(&[]),
            "self" => within(module),
            "super" => {
                let above = module.split_last().map_or(module, |(_, above)| above);
                match rest.first().is_some_and(|next| next == "super") {
                    true => self.resolved(file, above, rest, steps),
                    false => within(above),
                }
            }
            _ => {
                let child = [module, std::slice::from_ref(first)].concat();
                let alias = self.aliases[file].get(first).map(|&n| &self.paths[file][n]);
                match alias.filter(|alias| alias.segments != segments && steps > 0) {
                    Some(alias) => {
                        let (root, path) = self.resolved(file, &alias.module, &alias.segments, steps - 1);
                        (root, [&path[..], rest].concat())
                    }
                    None if self.modules.contains_key(&child) => within(&child),
                    None => (Root::Other, segments.to_vec()),
                }
            }
        }
    }

    /// The file that defines what a path from the root of the crate names, and the name there; none for a module, whose
    /// names are used by paths of their own.
    fn definition(&self, path: &[String], steps: usize) -> Option<(usize, String)> {
        let depth = (0..=path.len()).rev().find(|&depth| self.modules.contains_key(&path[..depth]))?;
        let file = self.modules[&path[..depth]];
        let name = path.get(depth)?;
        let alias = self.aliases[file].get(name).map(|&n| &self.paths[file][n]).filter(|_| steps > 0);
        let Some(alias) = alias else { return Some((file, name.clone())) };
        let (root, target) = self.resolved(file, &alias.module, &alias.segments, MAX_STEPS);
        let path = [&target[..], &path[depth + 1..]].concat();
        self.definition(&path, steps - 1).filter(|_| root == Root::Crate)
    }

    /// The names that each file takes from each other one.
    fn edges(&self) -> Vec<BTreeMap<usize, BTreeSet<String>>> {
        let edges = |file: usize| {
            let mut edges: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
            for (_, path) in self.of(file).into_iter().filter(|(root, _)| *root == Root::Crate) {
                if let Some((target, name)) = self.definition(&path, MAX_STEPS).filter(|(target, _)| *target != file) {
                    edges.entry(target).or_default().insert(name);
                }
            }
            edges
        };
        (0..self.sources.len()).map(edges).collect()
    }

    /// How many edges there are.
    pub fn count(&self) -> usize {
        self.edges().iter().map(BTreeMap::len).sum()
    }

    /// Each cycle of files, with the names that tie it.
    pub fn cycles(&self) -> Vec<String> {
        let edges = self.edges();
        let reached: Vec<BTreeSet<usize>> = (0..edges.len()).map(|file| reached(&edges, file)).collect();
        let mut cycles = BTreeSet::new();
        for file in 0..edges.len() {
            let cycle: BTreeSet<usize> =
                reached[file].iter().copied().filter(|other| reached[*other].contains(&file)).collect();
            if !cycle.is_empty() {
                cycles.insert(cycle);
            }
        }
        let path = |file: usize| &self.sources[file].path;
        let tie = |from: usize, to: usize| {
            let names: Vec<&str> = edges[from].get(&to)?.iter().map(String::as_str).collect();
            Some(format!("\n  {} -> {}: {}", path(from), path(to), names.join(", ")))
        };
        let text = |cycle: &BTreeSet<usize>| {
            let ties = cycle.iter().flat_map(|&from| cycle.iter().filter_map(move |&to| tie(from, to)));
            format!("a cycle of {} files:{}", cycle.len(), ties.collect::<String>())
        };
        cycles.iter().map(text).collect()
    }
}

/// Every file that `file` uses, directly or through others.
fn reached(edges: &[BTreeMap<usize, BTreeSet<String>>], file: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(file) = open.pop() {
        open.extend(edges[file].keys().copied().filter(|&next| reached.insert(next)));
    }
    reached
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Root {
    /// At this crate's root.
    Crate,
    /// At another crate, or at a name that is no module.
    Other,
}
