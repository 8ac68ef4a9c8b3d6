// What is written from the declarations of the fields: for editors, for readers, for operators.
#pragma once

#include <string>

#include "config/deployment.h"

namespace weir::config {

// JSON Schema, draft 7, of a deployment's file. With a spec: of this stage's files, with its ports
// and options; nullptr: of any stage's. It is never stricter than `load`, but for what a variable
// overrides and for numbers in quotes.
std::string json_schema(const StageSpec* spec);

// config/REFERENCE.md.
std::string reference();

// Where a setting comes from: "hello.yaml:14:22, ${WEIR_BOOTSTRAP}".
std::string origin_of(const Setting& setting);

// The settings that took effect, as YAML that loads again, each with where it comes from. Secrets
// are masked.
std::string echo(const Deployment& deployment);

}  // namespace weir::config
