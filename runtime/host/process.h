// A deployment as a process: its lanes, its endpoint, its signals, its end.
#pragma once

#include "config/deployment.h"
#include "host/lane.h"
#include "weir/stage.h"

namespace weir {

// Runs the lanes of `deployment` until SIGTERM, SIGINT or SIGHUP (drain; a second one: at once, and
// a lane that hangs ends the process with 75 from within), until `options` say, or until a lane has
// to stop (one that then hangs beside it is left within half a minute, and the failure is the exit
// code). The returned status is what the process ends with; the log's last line, "ended", has said
// it. Blocks those signals for the threads that it starts; call it once, from main's thread.
Status run_process(const config::Deployment& deployment, const StageSpec& spec, RunOptions options);

}  // namespace weir
