//! Listings: keys folded at a delimiter, pages turned into a stream.

use std::future::Future;

use futures::stream::{self, StreamExt};
use orbit_core::{Context, FileEntry, FileInfo, FileStream, Result};

/// Folds a listing in the order of its keys: what goes on after a further `/` becomes one
/// [`FileEntry::Prefix`]. For stores that cannot fold themselves.
#[derive(Debug)]
pub struct FoldByDelimiter {
    prefix: String,
    last: Option<String>,
}

impl FoldByDelimiter {
    /// Folds the keys that begin with `prefix`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), last: None }
    }

    /// The entry for the next key, if it begins one.
    pub fn push(&mut self, info: FileInfo) -> Option<FileEntry> {
        if self.last.as_ref().is_some_and(|last| info.key.starts_with(last)) {
            return None;
        }
        let rest = info.key.strip_prefix(&self.prefix)?;
        let Some(slash) = rest.find('/') else { return Some(FileEntry::File(info)) };
        let folded = info.key[..self.prefix.len() + slash + 1].to_owned();
        self.last = Some(folded.clone());
        Some(FileEntry::Prefix(folded))
    }
}

/// The files and the prefixes of one page as one page, in the order of their bytes.
pub fn in_key_order(
    files: impl IntoIterator<Item = FileInfo>,
    prefixes: impl IntoIterator<Item = String>,
) -> Vec<FileEntry> {
    let files = files.into_iter().map(FileEntry::File);
    let mut page: Vec<_> = files.chain(prefixes.into_iter().map(FileEntry::Prefix)).collect();
    // Two ordered runs, which a stable sort merges in one pass.
    page.sort_by(|a, b| key_of(a).cmp(key_of(b)));
    page
}

fn key_of(entry: &FileEntry) -> &str {
    match entry {
        FileEntry::File(info) => &info.key,
        FileEntry::Prefix(prefix) => prefix,
    }
}

/// The token by which a listing goes on, and one of those before it: by comparing the two a
/// listing that goes in a circle is seen within three times as many pages as it has.
#[derive(Debug, Clone)]
pub struct PageToken {
    text: String,
    /// One that was met before. It is replaced after one page, then after two, four and so on, so
    /// that it comes to lie in the circle and stays for longer than one turn.
    kept: String,
    pages: u64,
    pages_max: u64,
}

impl PageToken {
    /// The token `text` that came with the page at `last`, the first page without one; none if
    /// the listing goes in a circle.
    pub fn after(last: Option<&Self>, text: String) -> Option<Self> {
        let Some(last) = last else {
            return Some(Self { kept: text.clone(), text, pages: 0, pages_max: 1 });
        };
        if last.kept == text {
            return None;
        }
        let Self { kept, pages_max, .. } = last;
        let pages = last.pages + 1;
        Some(match pages < *pages_max {
            true => Self { text, kept: kept.clone(), pages, pages_max: *pages_max },
            false => Self { kept: text.clone(), text, pages: 0, pages_max: pages_max * 2 },
        })
    }

    /// The token as it came.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The pages of a listing as a stream.
///
/// `next` answers the page at a position and the position after it, if there is one. Empty
/// pages are left out, each wait ends with the context, and nothing follows an error.
pub fn pages<S, F, Fut>(cx: &Context, first: S, next: F) -> FileStream
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(Vec<FileEntry>, Option<S>)>> + Send + 'static,
{
    let state = (cx.clone(), Some(first), next);
    stream::unfold(state, |(cx, mut position, mut next)| async move {
        loop {
            match cx.run(next(position?)).await {
                Ok((page, None)) if page.is_empty() => return None,
                Ok((page, after)) if page.is_empty() => position = after,
                Ok((page, after)) => return Some((Ok(page), (cx, after, next))),
                Err(error) => return Some((Err(error), (cx, None, next))),
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use futures::TryStreamExt;
    use orbit_core::{Error, ErrorKind};
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn file(key: &str) -> FileInfo {
        let modified = SystemTime::UNIX_EPOCH;
        FileInfo { key: key.to_owned(), size_bytes: 0, modified, etag: None, version: None }
    }

    fn fold(prefix: &str, keys: &[&str]) -> Vec<String> {
        let mut fold = FoldByDelimiter::new(prefix);
        let entries = keys.iter().filter_map(|key| fold.push(file(key)));
        let name = |entry| match entry {
            FileEntry::File(info) => info.key,
            FileEntry::Prefix(prefix) => prefix,
        };
        entries.map(name).collect()
    }

    #[test]
    fn keys_are_folded_at_the_first_slash_after_the_prefix() {
        let keys = ["a.b", "a/b/c", "a/d", "a0", "b"];
        assert_eq!(fold("", &keys), ["a.b", "a/", "a0", "b"]);
        assert_eq!(fold("a/", &keys), ["a/b/", "a/d"]);
        assert_eq!(fold("a", &keys), ["a.b", "a/", "a0"]);
        assert_eq!(fold("", &["//x", "/y"]), ["/"]);
        assert_eq!(fold("ä", &["ä/ö", "ä/ü", "äß"]), ["ä/", "äß"]);
    }

    fn page(n: u32) -> Vec<FileEntry> {
        vec![FileEntry::File(file(&n.to_string()))]
    }

    #[test]
    fn a_circle_of_tokens_is_seen_however_long_it_is() {
        for (before, circle) in [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (5, 7), (100, 1000)] {
            let (mut last, mut pages) = (None, 0_usize);
            loop {
                let place = if pages < before { pages } else { before + (pages - before) % circle };
                let next = PageToken::after(last.as_ref(), place.to_string());
                pages += 1;
                let Some(next) = next else { break };
                assert_eq!(next.text(), place.to_string());
                assert!(
                    pages <= 3 * (before + circle),
                    "{before} pages, then {circle} in a circle"
                );
                last = Some(next);
            }
            assert!(pages > before + circle, "a token is called met that was not");
        }
    }

    #[test]
    fn tokens_that_differ_go_on() {
        let next = |last: PageToken, page: u32| PageToken::after(Some(&last), page.to_string());
        let first = PageToken::after(None, String::new()).unwrap();
        let last = (0..10_000).try_fold(first, next).unwrap();
        assert_eq!(last.text(), "9999");
    }

    #[tokio::test]
    async fn pages_follow_each_other_without_the_empty_ones() {
        let cx = Context::builder().build();
        let stream = pages(&cx, 0, |n| async move {
            let entries = if n % 2 == 0 { page(n) } else { Vec::new() };
            Ok((entries, (n < 5).then_some(n + 1)))
        });
        let all: Vec<_> = stream.try_collect().await.unwrap();
        assert_eq!(all, [page(0), page(2), page(4)]);
    }

    #[tokio::test]
    async fn a_failed_page_and_a_cancelled_caller_end_the_listing_in_an_error() {
        let token = CancellationToken::new();
        let cx = Context::builder().cancellation(token.clone()).build();
        let mut failing = pages(&cx, 0, |n| async move {
            if n == 1 {
                return Err(Error::new(ErrorKind::Unavailable, "away"));
            }
            Ok((page(n), Some(n + 1)))
        });
        assert!(failing.next().await.unwrap().is_ok());
        assert_eq!(failing.next().await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
        assert!(failing.next().await.is_none());

        let mut silent = pages(&cx, (), |()| std::future::pending());
        token.cancel();
        assert_eq!(silent.next().await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(silent.next().await.is_none());
    }
}
