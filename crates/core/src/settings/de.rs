//! From the tree to typed structs, by serde, keeping the path to what does not fit.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::{Entry, KeyPath, Node, Origin, Problem, Value};
use crate::closest;

pub(super) fn parse<T: DeserializeOwned>(
    path: &KeyPath,
    root: &Node,
    known_elsewhere: &'static [&'static str],
) -> Result<T, Vec<Problem>> {
    let unknown = RefCell::new(Vec::new());
    let de =
        NodeDeserializer { node: root, path: path.clone(), unknown: &unknown, known_elsewhere };
    let outcome = T::deserialize(de);
    let mut problems = unknown.into_inner();
    match outcome {
        Ok(value) if problems.is_empty() => return Ok(value),
        Ok(_) => {}
        Err(error) => problems.push(error.into_problem(path, &root.origin)),
    }
    Err(problems)
}

/// A misfit; the path is filled in by the nearest node that knows it.
#[derive(Debug)]
struct Misfit {
    message: String,
    hint: Option<String>,
    place: Option<(KeyPath, Origin)>,
}

impl Misfit {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, place: None }
    }

    fn at(mut self, path: &KeyPath, origin: &Origin) -> Self {
        self.place.get_or_insert_with(|| (path.clone(), origin.clone()));
        self
    }

    fn into_problem(self, path: &KeyPath, origin: &Origin) -> Problem {
        let (path, origin) = self.place.unwrap_or_else(|| (path.clone(), origin.clone()));
        Problem { path, origin, message: self.message, hint: self.hint }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Misfit {}

/// None of these shows the value: it may be a password in the wrong place.
impl serde::de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("must be {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("must be {expected}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint =
            closest(variant, expected.iter().copied()).map(|n| format!("did you mean `{n}`?"));
        let known = expected.join("`, `");
        Self { hint, ..Self::new(format!("must be one of `{known}`")) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("the setting `{field}` is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("the setting `{field}` is given twice"))
    }
}

#[derive(Clone)]
struct NodeDeserializer<'a> {
    node: &'a Node,
    path: KeyPath,
    unknown: &'a RefCell<Vec<Problem>>,
    known_elsewhere: &'static [&'static str],
}

impl<'a> NodeDeserializer<'a> {
    fn child(&self, node: &'a Node, path: KeyPath) -> Self {
        Self { node, path, unknown: self.unknown, known_elsewhere: &[] }
    }

    fn placed<T>(&self, result: Result<T, Misfit>) -> Result<T, Misfit> {
        result.map_err(|e| e.at(&self.path, &self.node.origin))
    }

    fn misfit<T>(&self, expected: &str) -> Result<T, Misfit> {
        self.placed(Err(Misfit::new(format!("must be {expected}"))))
    }

    fn scalar(&self, expected: &str) -> Result<&'a str, Misfit> {
        match &self.node.value {
            Value::Scalar { text, .. } => Ok(text),
            _ => self.misfit(expected),
        }
    }

    fn refuse_unknown(&self, entries: &[Entry], fields: &'static [&'static str]) {
        for entry in entries.iter().filter(|e| !fields.contains(&e.key.as_str())) {
            let known = fields.iter().chain(self.known_elsewhere).copied();
            let hint = match closest(&entry.key, known.clone()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => {
                    let mut names: Vec<_> = known.collect();
                    names.sort_unstable();
                    format!("known settings: {}", names.join(", "))
                }
            };
            let path = self.path.key(&entry.key);
            let problem = Problem::new(path, entry.key_origin.clone(), "unknown setting");
            self.unknown.borrow_mut().push(problem.with_hint(hint));
        }
    }
}

macro_rules! from_text {
    ($($method:ident $visit:ident $type:ty, $expected:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            match self.scalar($expected)?.trim().parse::<$type>() {
                Ok(value) => self.placed(visitor.$visit(value)),
                Err(_) => self.misfit($expected),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for NodeDeserializer<'de> {
    type Error = Misfit;

    from_text! {
        deserialize_bool visit_bool bool, "true or false";
        deserialize_i8 visit_i8 i8, "a whole number between -128 and 127";
        deserialize_i16 visit_i16 i16, "a whole number between -32768 and 32767";
        deserialize_i32 visit_i32 i32, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_u8 visit_u8 u8, "a whole number between 0 and 255";
        deserialize_u16 visit_u16 u16, "a whole number between 0 and 65535";
        deserialize_u32 visit_u32 u32, "a whole number, not negative";
        deserialize_u64 visit_u64 u64, "a whole number, not negative";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
        deserialize_char visit_char char, "one character";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::Null => self.placed(visitor.visit_unit()),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar { text, plain } => {
                let text = text.as_str();
                let value = text.trim();
                if !plain {
                    return self.placed(visitor.visit_borrowed_str(text));
                }
                let result = if let Ok(flag) = value.parse() {
                    visitor.visit_bool(flag)
                } else if let Ok(number) = value.parse() {
                    visitor.visit_i64(number)
                } else if let Ok(number) = value.parse() {
                    visitor.visit_f64(number)
                } else {
                    visitor.visit_borrowed_str(text)
                };
                self.placed(result)
            }
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let text = self.scalar("a text")?;
        self.placed(visitor.visit_borrowed_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.node.value {
            Value::Null => self.placed(visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let Value::List(items) = &self.node.value else { return self.misfit("a list") };
        let mut items = items.iter().enumerate();
        self.placed(visitor.visit_seq(Items { parent: &self, items: &mut items }))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::Map(entries) => {
                let all = |_: &Entry| true;
                self.placed(visitor.visit_map(Entries::new(&self, entries, &all)))
            }
            // An empty section, such as a `tables:` with everything below it commented out.
            Value::Null => self.placed(visitor.visit_map(Entries::new(&self, &[], &|_| true))),
            _ => self.misfit("a map of settings"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let entries: &[Entry] = match &self.node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => return self.misfit("a map of settings"),
        };
        self.refuse_unknown(entries, fields);
        let known = |e: &Entry| fields.contains(&e.key.as_str());
        self.placed(visitor.visit_map(Entries::new(&self, entries, &known)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::Scalar { text, .. } => {
                let de: StrDeserializer<'_, Misfit> =
                    serde::de::IntoDeserializer::into_deserializer(text.as_str());
                self.placed(visitor.visit_enum(de))
            }
            Value::Map(entries) => match entries.as_slice() {
                [entry] => self.placed(visitor.visit_enum(Variant { parent: &self, entry })),
                _ => self.misfit(&format!("exactly one of `{}`", variants.join("`, `"))),
            },
            _ => self.misfit(&format!("one of `{}`", variants.join("`, `"))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { bytes byte_buf unit unit_struct tuple tuple_struct }
}

struct Items<'a, 'b, I> {
    parent: &'b NodeDeserializer<'a>,
    items: &'b mut I,
}

impl<'de, I: Iterator<Item = (usize, &'de Node)>> SeqAccess<'de> for Items<'de, '_, I> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        seed.deserialize(self.parent.child(node, self.parent.path.index(index))).map(Some)
    }
}

struct Entries<'a, 'b> {
    parent: &'b NodeDeserializer<'a>,
    entries: std::slice::Iter<'a, Entry>,
    wanted: &'b dyn Fn(&Entry) -> bool,
    value: Option<&'a Entry>,
}

impl<'a, 'b> Entries<'a, 'b> {
    fn new(
        parent: &'b NodeDeserializer<'a>,
        entries: &'a [Entry],
        wanted: &'b dyn Fn(&Entry) -> bool,
    ) -> Self {
        Self { parent, entries: entries.iter(), wanted, value: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        let wanted = self.wanted;
        self.value = self.entries.by_ref().find(|e| wanted(e));
        let Some(entry) = self.value else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(&entry.key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let entry = self.value.take().ok_or_else(|| Misfit::custom("value without a name"))?;
        seed.deserialize(self.parent.child(&entry.node, self.parent.path.key(&entry.key)))
    }
}

struct Variant<'a, 'b> {
    parent: &'b NodeDeserializer<'a>,
    entry: &'a Entry,
}

impl<'de> EnumAccess<'de> for Variant<'de, '_> {
    type Error = Misfit;
    type Variant = NodeDeserializer<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Misfit> {
        let variant = seed.deserialize(StrDeserializer::new(&self.entry.key))?;
        let path = self.parent.path.key(&self.entry.key);
        Ok((variant, self.parent.child(&self.entry.node, path)))
    }
}

impl<'de> VariantAccess<'de> for NodeDeserializer<'de> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        match self.node.value {
            Value::Null => Ok(()),
            _ => self.misfit("empty"),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_struct("", fields, visitor)
    }
}
