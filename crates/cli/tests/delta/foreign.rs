//! Tables that another writer made.

use crate::{Check, Desk};

pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("tables_of_the_wheel_are_read_and_changed", tables_of_the_wheel_are_read_and_changed),
    ("types_come_through_both_ways", types_come_through_both_ways),
];

const WRITTEN: &str = "
write_deltalake(path, pa.table({'id': [1, 2, 3], 'day': ['a', 'a', 'b']}), partition_by=['day'])
write_deltalake(path, pa.table({'id': [4, 5], 'day': ['c d', 'e=f']}), mode='append')
t = DeltaTable(path)
t.delete('id = 2')
t.update(updates={'id': 'id * 10'}, predicate=\"day = 'b'\")
t.merge(pa.table({'id': [5, 6], 'day': ['e=f', 'g']}), 's.id = t.id', 's', 't') \
    .when_matched_delete().when_not_matched_insert_all().execute()
t.create_checkpoint()
t.optimize.compact()
";

fn tables_of_the_wheel_are_read_and_changed(desk: &Desk) {
    desk.wheel.run(&desk.path("prices"), WRITTEN);
    let sql = "SELECT id, day FROM drop.prices ORDER BY id";
    let rows = desk.orbit(&["query", "-F", "csv", sql]);
    assert_eq!(rows, "id,day\n1,a\n4,c d\n6,g\n30,b\n");
    let at = "SELECT count(*) AS n FROM drop.prices VERSION AS OF 1";
    assert_eq!(desk.orbit(&["query", "-F", "csv", at]), "n\n5\n");
    desk.orbit(&[
        "delta",
        "update",
        "drop.prices",
        "--where",
        "day = 'c d'",
        "--assign",
        "id = 44",
    ]);
    let new = "SELECT 7 AS id, 'h/i' AS day";
    desk.orbit(&["delta", "append", "drop.prices", "--from", new]);
    desk.orbit(&["delta", "delete", "drop.prices", "--where", "day = 'g'"]);
    assert_eq!(desk.wheel_rows(), r#"[[1, "a"], [30, "b"], [44, "c d"], [7, "h/i"]]"#);
    let rows = desk.orbit(&["query", "-F", "csv", sql]);
    assert_eq!(rows, "id,day\n1,a\n7,h/i\n30,b\n44,c d\n");
}

const TYPES: &str = "
D, T = datetime.date, datetime.datetime
write_deltalake(path, pa.table({
    'b': pa.array([True, None]), 'i': pa.array([1, None], pa.int32()),
    'l': pa.array([2**62, None], pa.int64()), 'd': pa.array([1.5, None]),
    'n': pa.array([decimal.Decimal('12.34'), None], pa.decimal128(9, 2)),
    's': pa.array(['h\\u00e9', None]), 'y': pa.array([b'\\x00\\xff', None]),
    'day': pa.array([D(2026, 1, 31), None]),
    'at': pa.array([T(2026, 1, 31, 12, tzinfo=datetime.timezone.utc), None], pa.timestamp('us', 'UTC')),
    'a': pa.array([[1, None], None], pa.list_(pa.int64())),
    't': pa.array([{'x': 1, 'z': 'q'}, None]),
}))
";

fn types_come_through_both_ways(desk: &Desk) {
    desk.wheel.run(&desk.path("prices"), TYPES);
    desk.orbit(&["delta", "create", "drop.copy", "--from", "SELECT * FROM drop.prices"]);
    let script = "
import os
def read(p):
    t = DeltaTable(p)
    found = t.to_pyarrow_table().to_pylist()
    return [(f.name, str(f.type)) for f in t.schema().fields], sorted(found, key=repr)
here, copy = read(path), read(os.path.join(os.path.dirname(path), 'copy'))
print(here == copy, '' if here == copy else (here, copy))";
    assert_eq!(desk.wheel.run(&desk.path("prices"), script), "True");
}
