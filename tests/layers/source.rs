//! A file of `src/` as syn parses it.

use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, UseTree};

/// A file without its tests.
pub struct Source {
    /// The file's path from `src/`.
    pub path: String,
    /// How many lines the file has, tests left out.
    pub lines: usize,
    pub code: syn::File,
}

/// A path as it stands in the code, and the module it stands in.
pub struct CodePath {
    pub module: Vec<String>,
    pub segments: Vec<String>,
    /// The name that a `use` gives to the path; `*` for all names in it.
    pub alias: Option<String>,
}

impl Source {
    /// Every file of `src/`.
    pub fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut sources = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("src can be read") {
                let path = entry.expect("src can be read").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).expect("a source is UTF-8");
                    let path = path.strip_prefix(&root).expect("it was found there").to_str().expect("names are ASCII");
                    sources.push(Self::parse(path, &text));
                }
            }
        }
        sources.sort_by(|one, other| one.path.cmp(&other.path));
        sources
    }

    pub fn parse(path: &str, text: &str) -> Self {
        let mut code = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut lines = text.lines().count();
        let mut is_kept = |attributes: &[Attribute], span: proc_macro2::Span| {
            let is_test = attributes.iter().any(is_for_tests);
            lines -= if is_test { span.end().line + 1 - span.start().line } else { 0 };
            !is_test
        };
        code.items.retain(|item| is_kept(attributes(item), item.span()));
        for item in &mut code.items {
            if let Item::Impl(item) = item {
                item.items.retain(|item| match item {
                    ImplItem::Fn(function) => is_kept(&function.attrs, function.span()),
                    _ => true,
                });
            }
        }
        Self { path: path.to_owned(), lines, code }
    }

    /// The file's module: `["parse", "line"]` for `parse/line.rs`; empty for the root of a crate.
    pub fn module(&self) -> Vec<String> {
        let path = self.path.trim_end_matches(".rs");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        let is_root = matches!(path, "lib" | "main");
        path.split('/').filter(|_| !is_root).map(str::to_owned).collect()
    }

    /// The module of the crate's root that the file belongs to; `None` for `lib.rs` and `main.rs`, which are above all.
    pub fn top_module(&self) -> Option<String> {
        self.module().into_iter().next()
    }

    /// Every word of the code, keywords included. Comments, literals and lifetimes have none.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        collect_words(self.code.to_token_stream(), &mut words);
        words
    }

    /// Every path of two or more names, and all that `use` declares.
    pub fn paths(&self) -> Vec<CodePath> {
        let mut paths = Paths { module: self.module(), found: Vec::new() };
        paths.visit_file(&self.code);
        paths.found
    }

    /// Each function that has a body, with its number of lines from `fn` to its last brace.
    pub fn functions(&self) -> Vec<(String, usize)> {
        let mut functions = Functions(Vec::new());
        functions.visit_file(&self.code);
        functions.0
    }

    /// The names of the types and traits that the file declares, functions left out.
    pub fn types(&self) -> Vec<String> {
        types(&self.code.items)
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let Ok(list) = attribute.meta.require_list() else { return false };
    let condition = list.tokens.to_string().replace(' ', "");
    list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn types(items: &[Item]) -> Vec<String> {
    let mut names = Vec::new();
    for item in items {
        match item {
            Item::Enum(item) => names.push(item.ident.to_string()),
            Item::Struct(item) => names.push(item.ident.to_string()),
            Item::Trait(item) => names.push(item.ident.to_string()),
            Item::Type(item) => names.push(item.ident.to_string()),
            Item::Union(item) => names.push(item.ident.to_string()),
            Item::Mod(item) => names.extend(item.content.iter().flat_map(|(_, items)| types(items))),
            _ => {}
        }
    }
    names
}

fn collect_words(tokens: TokenStream, words: &mut Vec<String>) {
    let mut is_lifetime = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect_words(group.stream(), words),
            TokenTree::Ident(word) if !is_lifetime => words.push(word.to_string()),
            TokenTree::Punct(ref mark) => {
                is_lifetime = mark.as_char() == '\'';
                continue;
            }
            _ => {}
        }
        is_lifetime = false;
    }
}

struct Functions(Vec<(String, usize)>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let lines = body.span().end().line + 1 - signature.fn_token.span().start().line;
        self.0.push((signature.ident.to_string(), lines));
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'a syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.add(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

struct Paths {
    module: Vec<String>,
    found: Vec<CodePath>,
}

impl Paths {
    fn add(&mut self, segments: Vec<String>, alias: Option<String>) {
        self.found.push(CodePath { module: self.module.clone(), segments, alias });
    }

    fn add_use(&mut self, tree: &UseTree, mut prefix: Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.add_use(&path.tree, prefix);
            }
            UseTree::Name(name) => {
                if name.ident != "self" {
                    prefix.push(name.ident.to_string());
                }
                let alias = prefix.last().cloned();
                self.add(prefix, alias);
            }
            UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    prefix.push(rename.ident.to_string());
                }
                self.add(prefix, Some(rename.rename.to_string()));
            }
            UseTree::Glob(_) => {
                prefix.push("*".to_owned());
                self.add(prefix, Some("*".to_owned()));
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(tree, prefix.clone())),
        }
    }

    /// The body of a macro has no structure, so its paths are read from the tokens: names with `::` between them.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut is_field) = (0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end_path(&mut path);
                    }
                    if !is_field {
                        path.push(name.to_string());
                    }
                    (colons, is_field) = (0, false);
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.end_path(&mut path);
                    colons = 0;
                    is_field = matches!(&other, TokenTree::Punct(mark) if mark.as_char() == '.');
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Vec<String>) {
        let segments = std::mem::take(path);
        if segments.len() > 1 {
            self.add(segments, None);
        }
    }
}

impl<'a> Visit<'a> for Paths {
    fn visit_item_mod(&mut self, module: &'a syn::ItemMod) {
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.add_use(&item.tree, Vec::new());
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.add(segments, None);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'a syn::Macro) {
        self.visit_path(&item.path);
        self.add_tokens(item.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &'a Attribute) {}

    fn visit_visibility(&mut self, _: &'a syn::Visibility) {}
}
