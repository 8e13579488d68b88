//! What is sent and answered. Fields that this crate does not know are let be, since the
//! service adds some without notice.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use orbit_core::Secret;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// The frame around every answer.
#[derive(Deserialize)]
pub(crate) struct Envelope<T> {
    #[serde(default = "nothing")]
    pub data: Option<T>,
    #[serde(default)]
    pub code: Option<Code>,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub success: Option<bool>,
}

fn nothing<T>() -> Option<T> {
    None
}

/// A list that may be null.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A code, which comes as a text or as a number.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Code {
    Text(String),
    Number(u64),
}

impl<T> Envelope<T> {
    /// The code as a text of six digits or more; empty when none came.
    pub(crate) fn code(&self) -> String {
        match &self.code {
            Some(Code::Text(code)) => code.clone(),
            Some(Code::Number(code)) => format!("{code:06}"),
            None => String::new(),
        }
    }
}

/// What signing in answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoginData {
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default)]
    pub master_token: Option<String>,
}

/// What renewing a session answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RenewData {
    #[serde(default)]
    pub session_token: Option<String>,
    #[serde(default)]
    pub master_token: Option<String>,
}

/// A statement to run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryRequest<'a> {
    pub sql_text: &'a str,
    pub async_exec: bool,
    pub sequence_id: u64,
    pub is_internal: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub describe_only: bool,
    pub parameters: BTreeMap<&'a str, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bindings: Option<&'a Bindings>,
}

/// Values for the markers of a statement, by their numbers from one.
pub(crate) type Bindings = BTreeMap<String, Binding>;

/// The value of one marker, or one for each row.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Binding {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub value: BoundValue,
}

/// Values travel as texts.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum BoundValue {
    One(Option<String>),
    Rows(Vec<Option<String>>),
}

/// What a statement answers, while it runs and when it is done.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct QueryData {
    pub query_id: Option<String>,
    pub final_warehouse_name: Option<String>,
    pub sql_state: Option<String>,
    pub get_result_url: Option<String>,
    pub statement_type_id: Option<u64>,
    pub total: Option<i64>,
    #[serde(rename = "rowtype", deserialize_with = "or_default")]
    pub row_type: Vec<RowType>,
    #[serde(rename = "rowset")]
    pub row_set: Option<Vec<Vec<Option<String>>>>,
    #[serde(rename = "rowsetBase64", alias = "rowsetbase64")]
    pub row_set_base64: Option<Base64>,
    pub query_result_format: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub chunks: Vec<ChunkData>,
    pub chunk_headers: Option<BTreeMap<String, String>>,
    pub qrmk: Option<String>,
    /// The statements of a script, by their ids and a comma.
    pub result_ids: Option<String>,
    /// Where a file of PUT goes.
    pub stage_info: Option<StageInfo>,
}

/// A place in a store, and what lets a file into it for a while.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct StageInfo {
    pub location_type: String,
    pub location: String,
    pub region: Option<String>,
    pub storage_account: Option<String>,
    pub end_point: Option<String>,
    pub presigned_url: Option<Secret>,
    pub is_client_side_encrypted: bool,
    pub creds: StageCredentials,
}

/// What the store asks for, by the store.
#[derive(Deserialize, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
pub(crate) struct StageCredentials {
    pub aws_key_id: Option<Secret>,
    pub aws_secret_key: Option<Secret>,
    pub aws_token: Option<Secret>,
    pub azure_sas_token: Option<Secret>,
    pub gcs_access_token: Option<Secret>,
}

/// A column.
#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RowType {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub ext_type_name: Option<String>,
    #[serde(default)]
    pub precision: Option<i64>,
    #[serde(default)]
    pub scale: Option<i64>,
    #[serde(default)]
    pub length: Option<i64>,
    #[serde(default)]
    pub nullable: Option<bool>,
    #[serde(default)]
    pub collation: Option<String>,
    #[serde(default, alias = "dimension")]
    pub vector_dimension: Option<i64>,
    #[serde(default)]
    pub fields: Option<Vec<RowField>>,
}

/// A part of a column's type.
#[derive(Deserialize, Debug, Clone)]
pub(crate) struct RowField {
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
}

/// A piece of a result that lies elsewhere.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChunkData {
    pub url: String,
    pub row_count: u64,
    #[serde(default)]
    pub uncompressed_size: u64,
}

/// Bytes that travel as a text; decoded while they are read, so that the text is not kept.
#[derive(Clone, Default)]
pub(crate) struct Base64(pub Bytes);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Decode;
        impl Visitor<'_> for Decode {
            type Value = Base64;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes as base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Base64, E> {
                let bytes = BASE64_STANDARD.decode(text).map_err(|_| E::custom("no base64"))?;
                Ok(Base64(bytes.into()))
            }
        }
        deserializer.deserialize_str(Decode)
    }
}
