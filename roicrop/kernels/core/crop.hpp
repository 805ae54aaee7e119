// What _compiled.pyx asks of the compiled core.

#pragma once

#include "plan.hpp"

namespace roicrop {

// std::invalid_argument where a box reads a cell that the window lacks.
void crop(const Arguments&, const Kernel&);

// The plan alone, of one axis (0 is y), as the kernel would apply it.
template <class Sum>
AxisPlan<Sum> plan_axis(const Arguments&, int axis);

// The kernel for this processor's best level, or for the one named; null if it has no such level.
const Kernel* kernel_for(const char* level);
const char* best_level();

}  // namespace roicrop
