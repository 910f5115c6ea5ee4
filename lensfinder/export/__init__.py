"""Hand-over: lens parameters with their uncertainties, in the files of other codes.

=============  ===========================================  ========================================
target         what is written                              conventions it has
=============  ===========================================  ========================================
``coolest``    a COOLEST template (JSON), mode MAP, with    angles in degrees from +y towards -x,
               posterior statistics                         theta_E on the intermediate axis
``lenstronomy``  ``kwargs_lens`` and, with uncertainties,   e1, e2 of magnitude (1-q)/(1+q)
               ``lens_params`` of a fit; JSON or Python
``pyautolens``  a model of ``autofit`` (JSON): Gaussian     (y, x) order, ell_comps (sin, cos) of
               priors, constants for what has no error      magnitude (1-q)/(1+q), Einstein radius
                                                            of Barkana
=============  ===========================================  ========================================
"""

from lensfinder.export.run import TARGETS, export

__all__ = ["TARGETS", "export"]
