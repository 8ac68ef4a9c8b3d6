// What makes a record the same as others, as the seen-index remembers it.
#pragma once

#include <optional>

#include "dedup/segment_store.h"
#include "loop/settings.h"
#include "weir/record.h"
#include "weir/stage.h"
#include "weir/status.h"

namespace weir {

// The hash of the record's dedup key: the stage's own or the declared one, as the input's settings
// say, and the number of its retry if it is a retried dead letter. nullopt: it has no key and
// passes without. A dead letter otherwise, also for what the stage throws.
Result<std::optional<KeyHash>> key_of(const Stage& stage, const InputSettings& input,
                                      const Record& record);

}  // namespace weir
