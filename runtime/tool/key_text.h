// The Kafka key of a line: the text of the fields that make two lines the same.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/lane_codec.h"
#include "weir/status.h"

namespace weir {

// One thread.
class KeyText {
 public:
  // `fields`: at the top level of the JSON object.
  static Result<KeyText> of(std::vector<std::string> fields, std::size_t line_bytes_max);

  // DedupKey::text of the fields, as dedup and route read them: a string unescaped, a number as
  // written. nullopt: the line is no JSON object, or has no such key.
  std::optional<std::string> read(std::string_view line);

  // The names at the top level of the JSON object; none where the line is no such thing.
  static std::vector<std::string> fields_of(std::string_view line);

 private:
  explicit KeyText(std::unique_ptr<LaneCodec> codec) : codec_(std::move(codec)) {}

  std::unique_ptr<LaneCodec> codec_;
};

}  // namespace weir
