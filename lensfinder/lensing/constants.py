"""Physical constants and units of the lensing room, each once and in full."""

import math

SPEED_OF_LIGHT_KM_S = 299792.458  # exact (BIPM, SI brochure)
ARCSEC_RAD = math.pi / 648000.0  # one arcsec in radians, exact
MPC_KM = 149597870.7 * 648000.0 / math.pi * 1e6  # one Mpc in km (IAU 2012 B2, 2015 B2)
DAY_S = 86400.0  # one day in seconds, exact
