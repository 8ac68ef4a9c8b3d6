#include "loop/record_key.h"

#include <exception>

#include "weir/headers.h"

namespace weir {

Result<std::optional<KeyHash>> key_of(const Stage& stage, const InputSettings& input,
                                      const Record& record) {
  DedupKey key;
  if (input.key_in_code) {
    try {
      key = stage.dedup_key(record);
    } catch (...) {
      return dead_letter_of_exception().within("dedup_key");
    }
  } else {
    key = DedupKey::from_bytes(record.declared_key());
  }
  if (key.is_empty()) {
    if (input.pass_without_key) {
      return std::optional<KeyHash>();
    }
    return Status::dead_letter("missing_key", "the record has no dedup key");
  }
  for (const Header& header : record.headers()) {
    if (header.name == kRetryHeader) {
      key.add_number(header.value.value_or(""));
    }
  }
  return std::optional<KeyHash>(hash_of(key.bytes()));
}

}  // namespace weir
