#![allow(missing_docs)]
use orbit_testkit::oracle::*;
#[tokio::test]
async fn oracle_scratch(){
  let t=std::time::Instant::now();
  let dir=std::path::Path::new("/work/main/crates/engine/tests/corpus");
  let c=Corpus::read(dir).unwrap();
  for t in &c.tables{ t.batch().map_err(|e|format!("{} {e}",t.name)).unwrap(); }
  let q:Vec<&str>=c.queries.iter().map(|q|q.sql.as_str()).collect();
  let pg=PostgresOracle::start(&c.tables).await.unwrap();
  eprintln!("pg up {:?}",t.elapsed());
  let a=pg.answers(&q).await.unwrap();
  eprintln!("pg {:?}",t.elapsed());
  let d=DuckdbOracle::find(&c.tables).unwrap().answers(&q).await.unwrap();
  eprintln!("duck {:?} {} queries",t.elapsed(),q.len());
  let l=Ledger::read(&dir.join("differences.txt")).unwrap();
  let mut differ=vec![];
  for (i,q) in c.queries.iter().enumerate(){
    if q.expectation==Expectation::Refused {continue}
    let ok=match(&a[i],&d[i]){(Err(_),Err(_))=>true,(Ok(x),Ok(y))=>same(x,y,q.is_ordered()),_=>false};
    if !ok {differ.push(q.name.as_str()); if !l.0.contains_key(&q.name){println!("UNLISTED {} {}\n {:?}\n {:?}",q.name,q.sql,a[i],d[i]);}}
    if let Ok(r)=&a[i]{ for row in r{for cell in row{ if let Cell::Other(x)=cell{println!("OTHER pg {} {x}",q.name);}}}}
  }
  let (stale,_)=l.compare(differ.iter().copied());
  println!("differ {} stale {stale:?}",differ.len());
  drop(pg); eprintln!("end {:?}",t.elapsed());
}
