//! Which file of a crate names what stands in which other file of it: read from the sources with a parser.
//!
//! A node is a file; modules written inline belong to theirs. A path is followed to the file where the thing that it names
//! stands: through `use` of any module, renames and globs, so a module that only passes names on is not named by whoever
//! takes one from it. Paths inside the words of a macro are found too. What only tests see (`#[cfg(test)]`) is left out.
//!
//! Not seen: a method that is called on a value and stands in an `impl` of another file, since that takes types.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// The source at a path, if there is one.
pub type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// From a file to those that it names, each with a path that does.
pub type Graph = BTreeMap<PathBuf, BTreeMap<PathBuf, String>>;

/// How far names are followed from one `use` to the next; two that name each other have no end.
const MAX_STEPS: u32 = 32;

/// A module and what its source says.
#[derive(Default)]
struct Module {
    file: PathBuf,
    /// Itself in the modules that are inline in others of its file, then itself in the crate: where `mod name;` looks.
    below: PathBuf,
    parent: usize,
    children: BTreeMap<String, usize>,
    /// What its `use` bring in, by the name that it has here.
    uses: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    items: BTreeSet<String>,
    /// All paths in its code and its `use`.
    paths: BTreeSet<Vec<String>>,
}

/// The files of a crate, from its root on, and whom they name.
pub fn graph(root: &Path, read: Read<'_>) -> Graph {
    let mut modules = Modules { all: Vec::new(), read };
    let below = root.parent().unwrap().to_owned();
    modules.file(Module { file: root.to_owned(), below, ..Module::default() });
    let mut graph = Graph::new();
    for (at, module) in modules.all.iter().enumerate() {
        let named = graph.entry(module.file.clone()).or_default();
        for path in &module.paths {
            let Some(file) = modules.find(at, path, Unknown::StandsThere, MAX_STEPS) else { continue };
            if file != module.file {
                named.entry(file).or_insert_with(|| path.join("::"));
            }
        }
    }
    graph
}

/// The same between the modules of a crate's root: a folder and the file of its name are one. The root stays itself.
pub fn top_modules(root: &Path, graph: &Graph) -> Graph {
    let top = |file: &Path| match file.strip_prefix(root.parent().unwrap()).ok().and_then(|below| below.iter().next()) {
        Some(first) if file != root => root.with_file_name(first).with_extension(""),
        _ => file.to_owned(),
    };
    let mut tops = Graph::new();
    for (from, named) in graph {
        let there = tops.entry(top(from)).or_default();
        for (file, path) in named.iter().filter(|(file, _)| top(file) != top(from)) {
            let arrow = || format!("{path} ({})", from.display());
            there.entry(top(file)).or_insert_with(arrow);
        }
    }
    tops
}

/// Those that reach each other, in groups.
pub fn circles(graph: &Graph) -> Vec<BTreeSet<PathBuf>> {
    let reached: BTreeMap<_, _> = graph.keys().map(|from| (from, reach(graph, from))).collect();
    let mut groups = BTreeSet::new();
    for (from, there) in &reached {
        let back = |to: &&PathBuf| reached.get(to).is_some_and(|theirs| theirs.contains(*from));
        let group: BTreeSet<_> = there.iter().filter(back).cloned().collect();
        if group.len() > 1 {
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

fn reach(graph: &Graph, from: &PathBuf) -> BTreeSet<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut queue = vec![from];
    while let Some(at) = queue.pop() {
        for to in graph.get(at).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(to.clone()) {
                queue.push(to);
            }
        }
    }
    seen
}

/// What becomes of a name of a module that none of its items has.
#[derive(Clone, Copy)]
enum Unknown {
    /// A macro made it: it stands there all the same.
    StandsThere,
    /// It stands elsewhere: one of several places is tried.
    IsNotThere,
}

struct Modules<'a> {
    all: Vec<Module>,
    read: Read<'a>,
}

impl Modules<'_> {
    /// Reads a module that has a file of its own, and those in it.
    fn file(&mut self, module: Module) -> usize {
        let file = module.file.clone();
        let text = (self.read)(&file).unwrap_or_else(|| panic!("{}: not there", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        self.module(module, &parsed.items)
    }

    fn module(&mut self, module: Module, items: &[Item]) -> usize {
        let at = self.all.len();
        self.all.push(module);
        let mut names = Names::default();
        for item in items.iter().filter(|item| !for_tests(attributes(item))) {
            if let Item::Mod(inner) = item {
                let name = inner.ident.to_string();
                let (file, below) = (self.all[at].file.clone(), self.all[at].below.clone());
                let module = Module { file, below: below.join(&name), parent: at, ..Module::default() };
                let child = match &inner.content {
                    Some((_, items)) => self.module(module, items),
                    None => self.file(self.placed(module, &name, &inner.attrs)),
                };
                self.all[at].children.insert(name, child);
            } else {
                names.items.extend(name(item));
                names.visit_item(item);
            }
        }
        let module = &mut self.all[at];
        (module.uses, module.globs, module.items, module.paths) = (names.uses, names.globs, names.items, names.paths);
        at
    }

    /// With the file that `mod name;` means.
    fn placed(&self, module: Module, name: &str, attrs: &[Attribute]) -> Module {
        let given = attrs.iter().find(|attr| attr.path().is_ident("path")).map(|attr| match &attr.meta {
            syn::Meta::NameValue(pair) => match &pair.value {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => text.value(),
                _ => panic!("{}: a path of module {name} that is no text", module.file.display()),
            },
            _ => panic!("{}: the path of module {name}", module.file.display()),
        });
        if let Some(given) = given {
            let file = module.file.with_file_name(given);
            let below = file.parent().unwrap().to_owned();
            return Module { file, below, ..module };
        }
        let beside = module.below.with_extension("rs");
        let file = if (self.read)(&beside).is_some() { beside } else { module.below.join("mod.rs") };
        Module { file, ..module }
    }

    /// The file of what `path` names in a module; nothing if it is a module or of another crate.
    fn find(&self, at: usize, path: &[String], unknown: Unknown, steps: u32) -> Option<PathBuf> {
        let (first, rest) = path.split_first()?;
        let steps = steps.checked_sub(1)?;
        let module = &self.all[at];
        match first.as_str() {
            "crate" => self.inside(0, rest, unknown, steps),
            "self" => self.inside(at, rest, unknown, steps),
            "super" => match rest.first() {
                Some(next) if next == "super" => self.find(module.parent, rest, unknown, steps),
                _ => self.inside(module.parent, rest, unknown, steps),
            },
            name => match (module.children.get(name), module.uses.get(name)) {
                (Some(child), _) if !rest.is_empty() => self.inside(*child, rest, unknown, steps),
                (_, Some(used)) if used != path => self.find(at, &[used, rest].concat(), unknown, steps),
                _ if module.children.contains_key(name) || module.items.contains(name) => None,
                _ => self.by_glob(at, path, steps),
            },
        }
    }

    /// The file of what `path` names, as seen from a module's inside, by its own names alone.
    fn inside(&self, at: usize, path: &[String], unknown: Unknown, steps: u32) -> Option<PathBuf> {
        let (first, rest) = path.split_first()?;
        let steps = steps.checked_sub(1)?;
        let module = &self.all[at];
        if let Some(child) = module.children.get(first).filter(|_| !rest.is_empty()) {
            return self.inside(*child, rest, unknown, steps);
        }
        if module.items.contains(first) {
            return Some(module.file.clone());
        }
        if let Some(used) = module.uses.get(first) {
            return self.find(at, &[used, rest].concat(), unknown, steps);
        }
        if module.children.contains_key(first) {
            return None;
        }
        self.by_glob(at, path, steps).or_else(|| match unknown {
            Unknown::StandsThere => Some(module.file.clone()),
            Unknown::IsNotThere => None,
        })
    }

    fn by_glob(&self, at: usize, path: &[String], steps: u32) -> Option<PathBuf> {
        self.all[at].globs.iter().find_map(|glob| self.find(at, &[glob, path].concat(), Unknown::IsNotThere, steps))
    }
}

/// What the code of one module names.
#[derive(Default)]
struct Names {
    uses: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    items: BTreeSet<String>,
    paths: BTreeSet<Vec<String>>,
}

impl Names {
    fn tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[plain(name)]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(before, tree)),
            UseTree::Glob(_) => {
                self.paths.insert(before.to_vec());
                self.globs.push(before.to_vec());
            }
            UseTree::Name(name) if name.ident == "self" => self.used(before.last().cloned(), before.to_vec()),
            UseTree::Name(name) => self.used(Some(plain(&name.ident)), with(&name.ident)),
            UseTree::Rename(name) if name.ident == "self" => self.used(Some(plain(&name.rename)), before.to_vec()),
            UseTree::Rename(name) => self.used(Some(plain(&name.rename)), with(&name.ident)),
        }
    }

    fn used(&mut self, name: Option<String>, path: Vec<String>) {
        self.paths.insert(path.clone());
        self.uses.extend(name.map(|name| (name, path)));
    }

    /// The words of a macro: what looks like a path is one.
    fn words(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.paths.insert(std::mem::take(&mut path));
                    }
                    path.push(plain(&word));
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.paths.insert(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.words(group.stream());
                    }
                }
            }
        }
        self.paths.insert(path);
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        if !for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.paths.insert(path.segments.iter().map(|segment| plain(&segment.ident)).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, found: &'ast syn::Macro) {
        self.visit_path(&found.path);
        self.words(found.tokens.clone());
    }

    /// `pub(super)` says who may look, and names nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    /// `#[serde(with = "crate::form")]` uses functions of that module.
    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        let syn::Meta::List(list) = &attr.meta else { return };
        for token in list.tokens.clone() {
            let text = token.to_string();
            if text.starts_with("\"crate::") {
                let module = text.trim_matches('"').split("::").map(str::to_owned);
                self.paths.insert(module.chain(["serialize".to_owned()]).collect());
            }
        }
    }
}

/// Without `r#`.
fn plain(name: &syn::Ident) -> String {
    name.to_string().trim_start_matches("r#").to_owned()
}

fn for_tests(attrs: &[Attribute]) -> bool {
    let is_test = |attr: &Attribute| match &attr.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    };
    attrs.iter().any(is_test)
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

fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(plain(name))
}
