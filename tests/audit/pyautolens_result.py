"""The lens of tests/audit/data/pyautolens, and how PyAutoLens was made to fit it.

PyAutoLens needs other versions of its dependencies than we do. With a Python that has
``autolens==2026.7.29.1``, after ``python tests/audit/pyautolens_result.py lens.npz`` here:

    python tests/audit/pyautolens_result.py lens.npz FOLDER

which writes its result under FOLDER. Of the FITS files ``MASK`` and ``NORMALIZED_RESIDUAL_MAP``,
``MASK``, ``DATA`` and ``NOISE_MAP`` were kept, in float32; all else is as it was written.
"""

import sys

import numpy as np

SHAPE, STRENGTH = (14, 14), 1.0


def problem():
    """The lens, in our orientation."""
    from lensfinder.inversion import MassModel
    from tests.inversion.systems import Source, a_lens

    mass = MassModel(theta_E=1.0, q=0.8, phi=0.4)
    source = Source(R_e=0.2, x=0.15, y=-0.05)
    return a_lens(seed=3, mass=mass, source=source, side=40, inner=0.4, outer=1.7)


def fit(known, folder):
    """A short search of PyAutoLens near the truth."""
    import autofit as af
    import autolens as al
    from autonerves import conf

    conf.instance.push(conf.instance.configs[0].path, output_path=folder)

    def flipped(image):
        return np.ascontiguousarray(np.asarray(image)[::-1])

    def array(image):
        return al.Array2D.no_mask(flipped(image), pixel_scales=0.1)

    dataset = al.Imaging(
        data=array(known["image"]),
        noise_map=array(np.full(known["image"].shape, float(known["noise"]))),
        psf=al.Convolver(kernel=array(known["psf"]), use_fft=True),
    )
    dataset = dataset.apply_mask(mask=al.Mask2D(mask=~flipped(known["mask"]), pixel_scales=0.1))
    dataset = dataset.apply_over_sampling(over_sample_size_pixelization=2)
    mass = af.Model(al.mp.Isothermal)
    mass.centre = (0.0, 0.0)
    mass.einstein_radius = af.UniformPrior(0.98, 1.02)
    mass.ell_comps.ell_comps_0 = af.UniformPrior(0.07, 0.09)
    mass.ell_comps.ell_comps_1 = af.UniformPrior(0.07, 0.09)
    pixelization = al.Pixelization(
        mesh=al.mesh.RectangularUniform(shape=SHAPE),
        regularization=al.reg.Constant(coefficient=STRENGTH),
    )
    lens = af.Model(al.Galaxy, redshift=0.5, mass=mass)
    source = af.Model(al.Galaxy, redshift=1.0, pixelization=pixelization)
    analysis = al.AnalysisImaging(
        dataset=dataset,
        use_jax=False,
        raise_inversion_positions_likelihood_exception=False,
        settings=al.Settings(use_positive_only_solver=False, use_border_relocator=False),
    )
    search = af.DynestyStatic(path_prefix="tiny", nlive=20, maxcall=60, number_of_cores=1)
    model = af.Collection(galaxies=af.Collection(lens=lens, source=source))
    search.fit(model=model, analysis=analysis)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        made = problem()
        np.savez(sys.argv[1], image=made.image, noise=made.noise, psf=made.psf, mask=made.mask)
    else:
        fit(np.load(sys.argv[1]), sys.argv[2])
