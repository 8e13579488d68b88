//! The formats of files, their options and their faults.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BinaryViewArray, DictionaryArray, Int64Array, RecordBatch, StringArray,
    StringViewArray, record_batch,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use futures::TryStreamExt;
use orbit_core::{Error, ErrorKind};
use orbit_engine::{FileFormat, TableOptions};
use tempfile::TempDir;

use crate::support::{
    GZIPPED, Setup, ZSTD, ask, context, lake, put, put_parquet, refusal, refusal_text, request,
    rows, transcript,
};

fn people() -> RecordBatch {
    record_batch!(("id", Int64, [1, 2, 3]), ("name", Utf8, [Some("ann"), Some("bob"), None]))
        .unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn put_arrow_file(folder: &Path, key: &str, batches: &[RecordBatch], options: IpcWriteOptions) {
    put(folder, key, "");
    let file = File::create(folder.join(key)).unwrap();
    let schema = batches[0].schema();
    let mut writer = FileWriter::try_new_with_options(file, &schema, options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

fn put_arrow_stream(folder: &Path, key: &str, batches: &[RecordBatch], options: IpcWriteOptions) {
    put(folder, key, "");
    let file = File::create(folder.join(key)).unwrap();
    let schema = batches[0].schema();
    let mut writer = StreamWriter::try_new_with_options(file, &schema, options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

fn packed(compression: CompressionType) -> IpcWriteOptions {
    IpcWriteOptions::default().try_with_compression(Some(compression)).unwrap()
}

#[tokio::test]
async fn every_format_answers_the_same() {
    let folder = folder();
    let at = folder.path();
    put_parquet(at, "t_parquet.parquet", &people());
    put(at, "t_csv.csv", "id,name\n1,ann\n2,bob\n3,\n");
    put(at, "t_tsv.tsv", "id\tname\n1\tann\n2\tbob\n3\t\n");
    let objects =
        ["{\"id\":1,\"name\":\"ann\"}", "{\"id\":2,\"name\":\"bob\"}", "{\"id\":3,\"name\":null}"];
    put(at, "t_lines.ndjson", objects.join("\n"));
    put(at, "t_array.json", format!("[{}]\n", objects.join(",\n")));
    put_arrow_file(at, "t_arrow.arrow", &[people()], IpcWriteOptions::default());
    put_arrow_file(at, "t_lz4.feather", &[people()], packed(CompressionType::LZ4_FRAME));
    put_arrow_stream(at, "t_stream.arrows", &[people()], IpcWriteOptions::default());
    put_arrow_stream(at, "t_packed.arrow", &[people()], packed(CompressionType::ZSTD));
    put(at, "t_gzip.csv.gz", GZIPPED);
    put(at, "t_zstd.csv.zst", ZSTD);
    let engine = lake(at);
    let names = [
        "parquet", "csv", "tsv", "lines", "array", "arrow", "lz4", "stream", "packed", "gzip",
        "zstd",
    ];
    for name in names {
        let sql = format!("SELECT id, name, id + 1 FROM t_{name} ORDER BY id");
        assert_eq!(rows(&engine, &sql).await, "1|ann|2\n2|bob|3\n3|NULL|4", "{name}");
        let sql = format!("SELECT count(*) FROM t_{name} WHERE name LIKE 'b%'");
        assert_eq!(rows(&engine, &sql).await, "1", "{name}");
        assert_eq!(rows(&engine, &format!("SELECT count(*) FROM t_{name}")).await, "3", "{name}");
    }
}

#[tokio::test]
async fn arrow_files_of_one_table_are_read_by_column_names() {
    let folder = folder();
    let words: DictionaryArray<Int32Type> = vec!["x", "y", "x"].into_iter().collect();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![4, 5, 6]));
    let turned: [(&str, ArrayRef); 3] =
        [("more", Arc::clone(&ids)), ("name", Arc::new(words)), ("id", ids)];
    let turned = RecordBatch::try_from_iter(turned).unwrap();
    let batches = [turned.clone(), turned.slice(1, 2)];
    put_arrow_file(folder.path(), "t/a.arrow", &[people()], IpcWriteOptions::default());
    put_arrow_file(folder.path(), "t/b.arrow", &batches, IpcWriteOptions::default());
    put_arrow_stream(folder.path(), "t/c.arrow", &batches, IpcWriteOptions::default());
    let engine = lake(folder.path());
    let sql = "SELECT count(*), sum(id), sum(more), max(name), count(name) FROM t";
    assert_eq!(rows(&engine, sql).await, "13|58|52|y|12");
}

#[tokio::test]
async fn a_large_arrow_file_is_read_in_parts() {
    let folder = folder();
    let batch = |from: i64| {
        let ids: Int64Array = (from..from + 100_000).collect();
        RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef)]).unwrap()
    };
    let batches: Vec<_> = (0..20).map(|i| batch(i * 100_000)).collect();
    put_arrow_file(folder.path(), "t.arrow", &batches, IpcWriteOptions::default());
    let mut setup = Setup::default();
    setup.options.target_partitions = Some(4);
    let engine = setup.folder("lake", folder.path()).build();
    let sql = "SELECT count(*), sum(id), count(DISTINCT id) FROM t";
    assert_eq!(rows(&engine, sql).await, "2000000|1999999000000|2000000");
}

#[tokio::test]
async fn files_with_other_arrow_types_of_one_parquet_type_are_one_table() {
    let folder = folder();
    let words: DictionaryArray<Int32Type> = vec!["a", "b"].into_iter().collect();
    let texts: [ArrayRef; 3] = [
        Arc::new(StringArray::from(vec!["a", "b"])),
        Arc::new(StringViewArray::from(vec!["a", "b"])),
        Arc::new(words),
    ];
    let bytes: [ArrayRef; 3] = [
        Arc::new(BinaryArray::from(vec![&b"x"[..], b"y"])),
        Arc::new(BinaryViewArray::from(vec![&b"x"[..], b"y"])),
        Arc::new(BinaryArray::from(vec![&b"x"[..], b"y"])),
    ];
    for (index, (text, bytes)) in texts.into_iter().zip(bytes).enumerate() {
        let batch = RecordBatch::try_from_iter([("t", text), ("b", bytes)]).unwrap();
        put_parquet(folder.path(), &format!("mixed/{index}.parquet"), &batch);
    }
    put_parquet(folder.path(), "apart/a.parquet", &people());
    let other = record_batch!(("id", Utf8, ["one"])).unwrap();
    put_parquet(folder.path(), "apart/b.parquet", &other);
    let engine = lake(folder.path());
    let sql =
        "SELECT t, count(*), max(encode(b, 'hex')) FROM mixed WHERE t < 'z' GROUP BY t ORDER BY t";
    assert_eq!(rows(&engine, sql).await, "a|3|78\nb|3|79");
    insta::assert_snapshot!(refusal_text(&engine, "SELECT * FROM apart").await);
}

#[tokio::test]
async fn configured_tables_say_how_they_are_read() {
    let folder = folder();
    put(folder.path(), "raw/2024/a.txt", "# made by hand\n1;'x;y';N/A;1.10\n2;-;7;2.20\n");
    put(folder.path(), "raw/2025/b.txt", "3;'it\\'s';8;3.30\n");
    put(folder.path(), "raw/2025/other.log", "no");
    put(folder.path(), "codes.csv", "code,day\n007,2024-01-31\n042,2024-02-29\n");
    let raw = TableOptions {
        path: "raw/*/*.txt".into(),
        format: Some(FileFormat::Csv),
        header: Some(false),
        delimiter: Some(';'),
        quote: Some('\''),
        escape: Some('\\'),
        comment: Some('#'),
        null_values: vec!["N/A".into(), "-".into()],
        ..TableOptions::default()
    };
    let columns = [("code", "varchar"), ("day", "date")];
    let columns = columns.map(|(name, of)| (name.to_owned(), of.to_owned()));
    let codes = TableOptions {
        path: "codes.csv".into(),
        columns: BTreeMap::from(columns),
        ..TableOptions::default()
    };
    let unmatched = TableOptions { path: "raw/*/*.parquet".into(), ..TableOptions::default() };
    let long = TableOptions { delimiter: Some('→'), ..codes.clone() };
    let badly = BTreeMap::from([("code".to_owned(), "nosuchtype".to_owned())]);
    let badly = TableOptions { columns: badly, ..codes.clone() };
    let setup = Setup::default().folder("lake", folder.path()).table("lake", "raw", raw);
    let setup = setup.table("lake", "codes", codes).table("lake", "unmatched", unmatched);
    let engine = setup.table("lake", "long", long).table("lake", "badly", badly).build();
    let statements = [
        "SELECT * FROM raw ORDER BY 1",
        "SELECT sum(column_3), count(*) FROM raw WHERE column_3 > 7",
        "SELECT code, extract(month FROM day) FROM codes ORDER BY code",
        "SELECT count(*) FROM unmatched",
        "SELECT count(*) FROM long",
        "SELECT count(*) FROM badly",
    ];
    insta::assert_snapshot!(transcript(&engine, &statements).await);
}

#[tokio::test]
async fn faulty_files_are_refused_by_name() {
    let folder = folder();
    let at = folder.path();
    put_parquet(at, "mixed/a.parquet", &people());
    put(at, "mixed/b.csv", "id\n1\n");
    std::fs::create_dir(at.join("nothing")).unwrap();
    put(at, "zero.parquet", "");
    put(at, "zero.csv.gz", "");
    put(at, "zero.json", "");
    put(at, "junk.parquet", "this is no Parquet file, but it is long enough");
    put_parquet(at, "cut.parquet", &people());
    let whole = std::fs::read(at.join("cut.parquet")).unwrap();
    put(at, "cut.parquet", &whole[..whole.len() - 20]);
    put(at, "junk.csv.gz", "not packed at all");
    put(at, "junk.ndjson", "{\"a\": 1}\n{\"a\": \n");
    put(at, "ragged.csv", "a,b\n1,2\n3\n");
    put(at, "late.csv", format!("a\n{}oops\n", "1\n".repeat(20_000)));
    put_arrow_file(at, "whole.feather", &[people()], IpcWriteOptions::default());
    let whole = std::fs::read(at.join("whole.feather")).unwrap();
    put(at, "cut_arrow.arrow", &whole[..whole.len() - 20]);
    put(at, "zero.arrow", "");
    put_parquet(at, "twin.parquet", &people());
    put(at, "twin.csv", "id\n1\n");
    let engine = lake(at);
    let statements = [
        "SELECT * FROM mixed",
        "SELECT * FROM nothing",
        "SELECT * FROM \"zero.parquet\"",
        "SELECT * FROM lake.junk",
        "SELECT * FROM \"junk.parquet\"",
        "SELECT * FROM cut",
        "SELECT * FROM \"junk.csv.gz\"",
        "SELECT * FROM \"junk.ndjson\"",
        "SELECT * FROM ragged",
        "SELECT sum(a) FROM late",
        "SELECT count(*) FROM cut_arrow",
        "SELECT count(*) FROM \"zero.arrow\"",
        "SELECT * FROM twin",
        "SELECT count(*) FROM \"twin.csv\"",
    ];
    insta::assert_snapshot!(transcript(&engine, &statements).await);
}

/// Nothing is read of an empty file, and something of the one beside it.
#[tokio::test]
async fn a_faulty_file_among_others_is_named() {
    let folder = folder();
    put_parquet(folder.path(), "t/a.parquet", &people());
    put(folder.path(), "t/b.parquet", "");
    let refused = refusal_text(&lake(folder.path()), "SELECT * FROM t").await;
    assert!(refused.starts_with("data_invalid") && refused.contains("t/b.parquet"), "{refused}");
}

/// The length of the footer stands before the mark that ends the file.
#[tokio::test]
async fn parquet_files_that_claim_a_long_footer_are_refused_by_name() {
    let folder = folder();
    let at = folder.path();
    put_parquet(at, "t/a.parquet", &people());
    put_parquet(at, "t/b.parquet", &people());
    let whole = std::fs::read(at.join("t/b.parquet")).unwrap();
    let named = TableOptions { path: "t/b.parquet".into(), ..TableOptions::default() };
    let size = u32::try_from(whole.len()).unwrap();
    for footer in [size - 7, size, 0x7fff_ffff, u32::MAX] {
        let mut wrong = whole.clone();
        wrong[whole.len() - 8..whole.len() - 4].copy_from_slice(&footer.to_le_bytes());
        put(at, "t/b.parquet", wrong);
        let setup = Setup::default().folder("lake", at);
        let engine = setup.table("lake", "named", named.clone()).build();
        for table in ["t", "named"] {
            let error = refusal(&engine, &format!("SELECT * FROM {table}")).await;
            let (kind, datasource) = (error.kind(), error.datasource());
            assert_eq!((kind, datasource), (ErrorKind::DataInvalid, Some("lake")), "{error}");
            assert!(error.to_string().contains("t/b.parquet"), "{error}");
        }
    }
}

/// Whatever a file tells of itself is answered or refused.
#[tokio::test]
async fn arrow_files_with_a_wrong_byte_end_no_process() {
    let folder = folder();
    let at = folder.path();
    put_arrow_file(at, "file.arrow", &[people()], IpcWriteOptions::default());
    put_arrow_stream(at, "stream.arrow", &[people()], IpcWriteOptions::default());
    let engine = lake(at);
    let mut refused = 0;
    for name in ["file.arrow", "stream.arrow"] {
        let whole = std::fs::read(at.join(name)).unwrap();
        for (place, flip) in (0..whole.len()).step_by(2).zip([0xff, 0x01, 0x80].iter().cycle()) {
            let mut wrong = whole.clone();
            wrong[place] ^= flip;
            put(at, name, wrong);
            let answer = ask(&engine, &format!("SELECT * FROM lake.\"{name}\"")).await;
            let known = |error: &Error| error.kind() != ErrorKind::Unexpected;
            assert!(answer.as_ref().err().is_none_or(known), "{name} {place}: {answer:?}");
            refused += usize::from(answer.is_err());
        }
    }
    assert!(refused > 100, "{refused} refusals");
}

/// Memory is taken for what a packed column says that it unpacks to.
#[tokio::test]
async fn arrow_files_that_claim_to_unpack_to_much_are_refused() {
    let folder = folder();
    let at = folder.path();
    let zeros: ArrayRef = Arc::new(Int64Array::from(vec![0; 10_000]));
    let batch = RecordBatch::try_from_iter([("id", zeros)]).unwrap();
    let engine = lake(at);
    for (name, compression) in
        [("lz4", CompressionType::LZ4_FRAME), ("zstd", CompressionType::ZSTD)]
    {
        let (file, stream) = (format!("file_{name}.arrow"), format!("stream_{name}.arrow"));
        put_arrow_file(at, &file, std::slice::from_ref(&batch), packed(compression));
        put_arrow_stream(at, &stream, std::slice::from_ref(&batch), packed(compression));
        for key in [file, stream] {
            let sql = format!("SELECT sum(id) FROM lake.\"{key}\"");
            assert_eq!(rows(&engine, &sql).await, "0", "{key}");
            let mut bytes = std::fs::read(at.join(&key)).unwrap();
            let told = 80_000_u64.to_le_bytes();
            let place = bytes.windows(8).position(|window| window == told).unwrap();
            bytes[place..place + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
            put(at, &key, bytes);
            let error = ask(&engine, &sql).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{key}: {error}");
            assert!(error.message().contains("unpacks to more than 2 GiB"), "{key}: {error}");
        }
    }
}

/// Each length that a message tells is looked at before anything is taken for it.
#[tokio::test]
async fn arrow_files_that_claim_to_be_long_are_refused() {
    let folder = folder();
    let at = folder.path();
    let zeros: ArrayRef = Arc::new(Int64Array::from(vec![0; 10_000]));
    let batch = RecordBatch::try_from_iter([("id", zeros)]).unwrap();
    put_arrow_stream(at, "t.arrow", std::slice::from_ref(&batch), IpcWriteOptions::default());
    let engine = lake(at);
    let sql = "SELECT sum(id) FROM t";
    assert_eq!(rows(&engine, sql).await, "0");
    let whole = std::fs::read(at.join("t.arrow")).unwrap();
    let told = 80_000_u64.to_le_bytes();
    let places = (0..whole.len() - 8).filter(|place| whole[*place..place + 8] == told);
    let places: Vec<_> = places.collect();
    assert_eq!(places.len(), 2, "the length of the body, and of its buffer");
    for place in places {
        let mut bytes = whole.clone();
        bytes[place..place + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        put(at, "t.arrow", bytes);
        let error = ask(&engine, sql).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
        assert!(error.message().contains("longer than 2 GiB"), "{error}");
    }
}

/// Where no column is read, nothing but its own word says how many rows a batch has.
#[tokio::test]
async fn arrow_files_that_claim_to_have_many_rows_are_refused() {
    let folder = folder();
    let at = folder.path();
    let zeros: ArrayRef = Arc::new(Int64Array::from(vec![0; 12_345]));
    let batch = RecordBatch::try_from_iter([("id", zeros)]).unwrap();
    put_arrow_file(at, "file.arrow", std::slice::from_ref(&batch), IpcWriteOptions::default());
    put_arrow_stream(at, "stream.arrow", std::slice::from_ref(&batch), IpcWriteOptions::default());
    let engine = lake(at);
    for key in ["file.arrow", "stream.arrow"] {
        let sql = format!("SELECT count(*) FROM lake.\"{key}\"");
        assert_eq!(rows(&engine, &sql).await, "12345", "{key}");
        let mut bytes = std::fs::read(at.join(key)).unwrap();
        let told = 12_345_u64.to_le_bytes();
        let places = (0..bytes.len() - 8).filter(|place| bytes[*place..place + 8] == told);
        for place in places.collect::<Vec<_>>() {
            bytes[place..place + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        }
        put(at, key, bytes);
        let error = ask(&engine, &sql).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{key}: {error}");
    }
}

#[tokio::test]
async fn a_file_that_is_gone_says_so() {
    let folder = folder();
    put_parquet(folder.path(), "t.parquet", &people());
    let engine = lake(folder.path());
    let sql = "SELECT sum(id) FROM t";
    assert_eq!(rows(&engine, sql).await, "6");
    let stream = engine.query(&context(), request(sql)).await.unwrap();
    std::fs::remove_file(folder.path().join("t.parquet")).unwrap();
    let error = stream.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!((error.kind(), error.datasource()), (ErrorKind::NotFound, Some("lake")), "{error}");
    let error = refusal(&engine, sql).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn text_files_of_one_table_are_read_by_column_names() {
    let folder = folder();
    let at = folder.path();
    put(at, "t/a.csv", "id,name\n1,ann\n");
    put(at, "t/b.csv", "name,id\nbob,2\n");
    put(at, "t/c.csv", "id\n3\n");
    put(at, "t/d.csv", "more,\"id\",name\r\n7,4.5,\"d\ne\"\r\n");
    put(at, "t/e.csv", "");
    put(at, "t/f.csv", "name,id,more");
    put(at, "tabs/a.tsv", "id\tname\n1\tann\n");
    put(at, "tabs/b.tsv", "name\tid\nbob\t2\n");
    put(at, "lines/a.ndjson", "{\"id\":1,\"name\":\"ann\"}\n");
    put(at, "lines/b.ndjson", "{\"name\":\"bob\",\"id\":2}\n{\"id\":3,\"more\":7}\n");
    put(at, "twice/a.csv", "id,id\n1,2\n");
    put(at, "bare/a.csv", "1,ann\n");
    put(at, "bare/b.csv", "2,bob\n");
    put(at, "uneven/a.csv", "1,ann\n");
    put(at, "uneven/b.csv", "2\n");
    let bare = |path: &str| TableOptions {
        path: path.into(),
        header: Some(false),
        null_values: vec!["ann".into()],
        ..TableOptions::default()
    };
    let setup = Setup::default().folder("lake", at).table("lake", "bare", bare("bare"));
    let engine = setup.table("lake", "uneven", bare("uneven")).build();
    let statements = [
        "SELECT id, name, more FROM t ORDER BY id",
        "SELECT count(*), max(name) FROM t",
        "SELECT more FROM t WHERE id = 2",
        "SELECT id, name FROM tabs ORDER BY id",
        "SELECT id, name, more FROM lines ORDER BY id",
        "SELECT * FROM twice",
        "SELECT * FROM bare ORDER BY column_1",
        "SELECT * FROM uneven",
    ];
    insta::assert_snapshot!(transcript(&engine, &statements).await);
}
