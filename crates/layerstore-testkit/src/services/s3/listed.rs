//! Listings that cost what they list: by itself the server walks the whole bucket for every page of a thousand.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CommonPrefix, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteBucketInput, DeleteBucketOutput, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, GetBucketLocationInput,
    GetBucketLocationOutput, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput, Timestamp, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

/// As many entries a page as S3 gives where it is not told.
const PAGE: i32 = 1_000;

/// What a listing tells of an object.
#[derive(Debug, Clone)]
struct Told {
    size: i64,
    modified: Timestamp,
}

/// The keys of a bucket, in their order.
type Keys = BTreeMap<String, Told>;

/// Objects in files, with the keys of each bucket beside them. It counts on writes that happen one at a time.
#[derive(Debug)]
pub(super) struct Listed {
    files: FileSystem,
    /// The folder of the buckets.
    home: PathBuf,
    /// What was written since the server started, which was over an empty folder.
    buckets: Mutex<BTreeMap<String, Keys>>,
}

impl Listed {
    pub(super) fn new(files: FileSystem, home: &Path) -> Self {
        Self {
            files,
            home: home.to_owned(),
            buckets: Mutex::default(),
        }
    }

    fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Keys>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an object that may have been written: it can be there also where the answer is an error, since more files are written after it.
    /// Keys that end with a slash are folders here, which are not listed.
    async fn note(&self, bucket: String, key: String) {
        let file = self.home.join(&bucket).join(&key);
        if key.ends_with('/') {
            return;
        }
        let Ok(written) = tokio::fs::metadata(file).await else {
            return;
        };
        let told = Told {
            size: i64::try_from(written.len()).unwrap_or(i64::MAX),
            modified: written.modified().unwrap_or(UNIX_EPOCH).into(),
        };
        self.buckets().entry(bucket).or_default().insert(key, told);
    }

    fn forget<'k>(&self, bucket: &str, keys: impl IntoIterator<Item = &'k String>) {
        if let Some(held) = self.buckets().get_mut(bucket) {
            for key in keys {
                held.remove(key);
            }
        }
    }
}

/// Implements the service: what is written here, and the operations named after it by the files alone.
macro_rules! service {
    ({ $($own:tt)* } $($name:ident($input:ident) -> $output:ident;)*) => {
        #[async_trait]
        impl S3 for Listed {
            $($own)*

            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.files.$name(request).await
            })*
        }
    };
}

service! {
    {
        async fn list_objects_v2(
            &self,
            request: S3Request<ListObjectsV2Input>,
        ) -> S3Result<S3Response<ListObjectsV2Output>> {
            let input = request.input;
            if !self.home.join(&input.bucket).is_dir() {
                return Err(s3_error!(NoSuchBucket));
            }
            let buckets = self.buckets();
            let page = match buckets.get(&input.bucket) {
                Some(keys) => page(keys, &input),
                None => Page::default(),
            };
            Ok(S3Response::new(page.answer(input)))
        }

        async fn put_object(
            &self,
            request: S3Request<PutObjectInput>,
        ) -> S3Result<S3Response<PutObjectOutput>> {
            let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
            let answer = self.files.put_object(request).await;
            self.note(bucket, key).await;
            answer
        }

        async fn complete_multipart_upload(
            &self,
            request: S3Request<CompleteMultipartUploadInput>,
        ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
            let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
            let answer = self.files.complete_multipart_upload(request).await;
            self.note(bucket, key).await;
            answer
        }

        async fn delete_object(
            &self,
            request: S3Request<DeleteObjectInput>,
        ) -> S3Result<S3Response<DeleteObjectOutput>> {
            let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
            let answer = self.files.delete_object(request).await?;
            self.forget(&bucket, [&key]);
            Ok(answer)
        }

        async fn delete_objects(
            &self,
            request: S3Request<DeleteObjectsInput>,
        ) -> S3Result<S3Response<DeleteObjectsOutput>> {
            let bucket = request.input.bucket.clone();
            let answer = self.files.delete_objects(request).await?;
            let deleted = answer.output.deleted.iter().flatten();
            self.forget(&bucket, deleted.filter_map(|object| object.key.as_ref()));
            Ok(answer)
        }

        async fn delete_bucket(
            &self,
            request: S3Request<DeleteBucketInput>,
        ) -> S3Result<S3Response<DeleteBucketOutput>> {
            let bucket = request.input.bucket.clone();
            let answer = self.files.delete_bucket(request).await?;
            self.buckets().remove(&bucket);
            Ok(answer)
        }
    }
    create_bucket(CreateBucketInput) -> CreateBucketOutput;
    head_bucket(HeadBucketInput) -> HeadBucketOutput;
    list_buckets(ListBucketsInput) -> ListBucketsOutput;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
    get_object(GetObjectInput) -> GetObjectOutput;
    head_object(HeadObjectInput) -> HeadObjectOutput;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    upload_part(UploadPartInput) -> UploadPartOutput;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
}

/// A page of a listing.
#[derive(Debug, Default)]
struct Page {
    objects: Vec<Object>,
    prefixes: BTreeSet<String>,
    last: Option<String>,
    has_more: bool,
}

/// Reads a page of the keys: those with the prefix behind the mark, in their order, with those that go on behind a delimiter as one.
fn page(keys: &Keys, input: &ListObjectsV2Input) -> Page {
    let prefix = input
        .prefix
        .as_deref()
        .unwrap_or_default()
        .trim_start_matches('/');
    let delimiter = input
        .delimiter
        .as_deref()
        .filter(|delimiter| !delimiter.is_empty());
    let most = usize::try_from(input.max_keys.unwrap_or(PAGE)).unwrap_or_default();
    let mark = input
        .continuation_token
        .as_deref()
        .max(input.start_after.as_deref());
    let mut page = Page::default();
    let mut from = match mark {
        Some(mark) if mark >= prefix => Excluded(mark.to_owned()),
        _ => Included(prefix.to_owned()),
    };
    while let Some((key, told)) = keys.range((from, Unbounded)).next() {
        let Some(rest) = key.strip_prefix(prefix) else {
            break;
        };
        let common = delimiter.and_then(|delimiter| {
            let (folder, _) = rest.split_once(delimiter)?;
            Some(format!("{prefix}{folder}{delimiter}"))
        });
        let is_new = common
            .as_deref()
            .is_none_or(|common| mark.is_none_or(|mark| common > mark));
        if is_new && page.len() == most {
            page.has_more = most > 0;
            break;
        }
        from = match common {
            None => {
                page.objects.push(object(key, told));
                page.last = Some(key.clone());
                Excluded(key.clone())
            }
            Some(common) => {
                // No character is greater: all keys that go on from here lie before it.
                let behind = format!("{common}{}", char::MAX);
                if is_new {
                    page.last = Some(common.clone());
                    page.prefixes.insert(common);
                }
                Included(behind)
            }
        };
    }
    page
}

fn object(key: &str, told: &Told) -> Object {
    Object {
        key: Some(key.to_owned()),
        size: Some(told.size),
        last_modified: Some(told.modified.clone()),
        ..Object::default()
    }
}

impl Page {
    fn len(&self) -> usize {
        self.objects.len() + self.prefixes.len()
    }

    fn answer(self, input: ListObjectsV2Input) -> ListObjectsV2Output {
        let prefixes = self
            .prefixes
            .iter()
            .cloned()
            .map(|prefix| CommonPrefix { prefix: Some(prefix) });
        ListObjectsV2Output {
            key_count: i32::try_from(self.len()).ok(),
            max_keys: Some(input.max_keys.unwrap_or(PAGE)),
            is_truncated: Some(self.has_more),
            common_prefixes: Some(prefixes.collect::<Vec<_>>()).filter(|prefixes| !prefixes.is_empty()),
            contents: Some(self.objects).filter(|objects| !objects.is_empty()),
            continuation_token: input.continuation_token,
            next_continuation_token: self.last.filter(|_| self.has_more),
            delimiter: input.delimiter,
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            prefix: input.prefix,
            start_after: input.start_after,
            ..ListObjectsV2Output::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::http::Extensions;
    use hyper::{HeaderMap, Method, Uri};
    use s3s::Body;
    use tempfile::TempDir;

    use super::*;
    use crate::proof;

    const BUCKET: &str = "b";

    fn request<T>(input: T) -> S3Request<T> {
        S3Request {
            input,
            method: Method::GET,
            uri: Uri::default(),
            headers: HeaderMap::default(),
            extensions: Extensions::default(),
            credentials: None,
            region: None,
            service: None,
            trailing_headers: None,
        }
    }

    async fn fill(listed: &Listed, rng: &mut fastrand::Rng) {
        for _ in 0..rng.usize(0..60) {
            let folders = rng.usize(0..3);
            let folders: String = (0..folders)
                .map(|_| ["d/", "e/", "é/"][rng.usize(0..3)])
                .collect();
            // No name of a folder: in files an object is not both.
            let key = format!("{folders}{}{}", rng.char('f'..='h'), rng.u8(0..4));
            let (bucket, removes) = (BUCKET.to_owned(), rng.u8(0..4) == 0);
            if removes {
                let input = DeleteObjectInput {
                    bucket,
                    key,
                    ..DeleteObjectInput::default()
                };
                listed.delete_object(request(input)).await.unwrap();
            } else {
                let body = "x".repeat(rng.usize(0..9));
                let input = PutObjectInput {
                    bucket,
                    key,
                    body: Some(Body::from(body).into()),
                    ..PutObjectInput::default()
                };
                listed.put_object(request(input)).await.unwrap();
            }
        }
    }

    fn question(rng: &mut fastrand::Rng) -> ListObjectsV2Input {
        let mut some = |of: &[&str]| {
            let chosen = rng.usize(0..=of.len());
            of.get(chosen).map(|text| (*text).to_owned())
        };
        ListObjectsV2Input {
            bucket: BUCKET.to_owned(),
            prefix: some(&["", "d", "d/", "d/e/", "f", "/d/", "x"]),
            delimiter: some(&["/"]),
            start_after: some(&["d", "d/", "d/f1", "e/", "g2", "é/zz"]),
            max_keys: some(&["1", "2", "5", "0"]).map(|most| most.parse().unwrap()),
            ..ListObjectsV2Input::default()
        }
    }

    #[tokio::test]
    async fn a_listing_is_what_the_files_say_page_by_page() {
        let mut rng = fastrand::Rng::with_seed(proof::seed());
        for _ in 0..60 {
            let home = TempDir::new().unwrap();
            let files = || FileSystem::new(home.path()).unwrap();
            let (listed, files) = (Listed::new(files(), home.path()), files());
            let bucket = CreateBucketInput {
                bucket: BUCKET.to_owned(),
                ..CreateBucketInput::default()
            };
            listed.create_bucket(request(bucket)).await.unwrap();
            fill(&listed, &mut rng).await;
            for _ in 0..10 {
                let mut input = question(&mut rng);
                loop {
                    let quick = listed
                        .list_objects_v2(request(input.clone()))
                        .await
                        .unwrap()
                        .output;
                    let slow = files
                        .list_objects_v2(request(input.clone()))
                        .await
                        .unwrap()
                        .output;
                    assert_eq!(
                        quick,
                        ListObjectsV2Output {
                            max_keys: quick.max_keys,
                            ..slow
                        },
                        "{input:?}"
                    );
                    input.continuation_token = quick.next_continuation_token;
                    if input.continuation_token.is_none() {
                        break;
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn an_object_is_listed_also_where_the_server_failed_behind_it() {
        let home = TempDir::new().unwrap();
        let listed = Listed::new(FileSystem::new(home.path()).unwrap(), home.path());
        let bucket = CreateBucketInput {
            bucket: BUCKET.to_owned(),
            ..CreateBucketInput::default()
        };
        listed.create_bucket(request(bucket)).await.unwrap();
        // The file that s3s-fs keeps beside this object would have too long a name.
        let key = "x".repeat(200);
        let input = PutObjectInput {
            bucket: BUCKET.to_owned(),
            key: key.clone(),
            body: Some(Body::from("x".to_owned()).into()),
            ..PutObjectInput::default()
        };
        assert!(listed.put_object(request(input)).await.is_err());
        let input = ListObjectsV2Input {
            bucket: BUCKET.to_owned(),
            ..ListObjectsV2Input::default()
        };
        let page = listed.list_objects_v2(request(input)).await.unwrap().output;
        let keys: Vec<_> = page
            .contents
            .into_iter()
            .flatten()
            .map(|object| object.key)
            .collect();
        assert_eq!(keys, [Some(key)]);
    }

    #[tokio::test]
    async fn a_bucket_that_there_is_not_has_no_listing() {
        let home = TempDir::new().unwrap();
        let listed = Listed::new(FileSystem::new(home.path()).unwrap(), home.path());
        let refused = listed
            .list_objects_v2(request(question(&mut fastrand::Rng::with_seed(1))))
            .await;
        assert_eq!(refused.unwrap_err().code(), &s3s::S3ErrorCode::NoSuchBucket);
    }
}
