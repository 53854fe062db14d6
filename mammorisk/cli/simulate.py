"""``mammorisk simulate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from mammorisk.cli.common import AsJson, Debug, told


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder of the study: new, empty, or to go on with.")],
    n: Annotated[int, typer.Option("--women", "-n", help="Women of the population.")] = 1000,
    seed: Annotated[int, typer.Option(help="Same seed and options, same files.")] = 1,
    images: Annotated[
        str, typer.Option(help="Women whose exams are rendered: a number, or 'all'.")
    ] = "0",
    workers: Annotated[int, typer.Option(help="Processes that render.")] = 1,
    age_from: Annotated[float, typer.Option(help="Youngest age at entry, years, from 40.")] = 40.0,
    age_to: Annotated[
        float, typer.Option(help="Ages at entry end before this, years, up to 80.")
    ] = 75.0,
    follow_up_years: Annotated[
        float, typer.Option(help="From the first entry to the end of the study, 1-10 years.")
    ] = 8.0,
    recruitment_years: Annotated[
        float, typer.Option(help="Women enter evenly over this many years.")
    ] = 2.0,
    loss_per_year: Annotated[
        float, typer.Option(help="Rate of loss to follow-up, per year, 0-0.5.")
    ] = 0.02,
    design: Annotated[
        str, typer.Option(help="cohort, case-cohort or nested-case-control.")
    ] = "cohort",
    subcohort_fraction: Annotated[
        float, typer.Option(help="Share of women in the subcohort (case-cohort), 0-1.")
    ] = 0.05,
    controls_per_case: Annotated[
        int, typer.Option(help="Controls of a case (nested case-control), 1-20.")
    ] = 4,
    prior_share: Annotated[
        float, typer.Option(help="Share of women with an exam two years before, 0-1.")
    ] = 0.5,
    sites: Annotated[int, typer.Option(help="Number of sites, 1-20.")] = 4,
    vendors: Annotated[
        str | None,
        typer.Option(
            help="Imagined systems the sites take in turn, by comma: alder, birch, cedar, "
            "dogwood, elm, fir. Default: the first four."
        ),
    ] = None,
    pixel_mm: Annotated[
        str, typer.Option(help="Pixel spacing in mm, 0.05-2, or 'native' for each vendor's own.")
    ] = "1.0",
    exponent: Annotated[
        float, typer.Option(help="Of the parenchymal spectrum (power falls as 1/f^exponent), 2-4.")
    ] = 3.0,
    questionnaire_effect: Annotated[
        float,
        typer.Option(help="Power to which published questionnaire hazard ratios are raised, 0-2."),
    ] = 0.9,
    density_hr: Annotated[
        float, typer.Option(help="Hazard ratio per SD of volumetric density, 0.2-5.")
    ] = 1.6,
    texture_hr: Annotated[float, typer.Option(help="Hazard ratio per SD of texture, 0.2-5.")] = 1.8,
    asymmetry_hr: Annotated[
        float, typer.Option(help="Hazard ratio per SD of asymmetry, 0.2-5.")
    ] = 1.45,
    for_processing: Annotated[
        bool, typer.Option("--for-processing", help="Write raw images beside those to look at.")
    ] = False,
    compression: Annotated[str, typer.Option(help="none, or jpeg2000 (lossless).")] = "none",
    masses: Annotated[float, typer.Option(help="Share of exams with a mass, 0-1.")] = 0.0,
    calcifications: Annotated[
        float, typer.Option(help="Share of exams with a calcification cluster, 0-1.")
    ] = 0.0,
    asymmetries: Annotated[
        float, typer.Option(help="Share of exams with a focal asymmetry, 0-1.")
    ] = 0.0,
    distortions: Annotated[
        float, typer.Option(help="Share of exams with an architectural distortion, 0-1.")
    ] = 0.0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Simulate a screening study whose true risks are known. Run again to go on."""
    import json

    from mammorisk._utils.progress import show_progress
    from mammorisk.errors import SimulationError
    from mammorisk.simulation.simulate import simulate as simulate_study
    from mammorisk.simulation.vendors import DEFAULT_VENDORS

    with told(debug):
        try:
            spacing = None if pixel_mm == "native" else float(pixel_mm)
            pictures: int | Literal["all"] = "all" if images == "all" else int(images)
        except ValueError:
            raise SimulationError(
                "--images or --pixel-mm is neither a number nor its keyword",
                remedy="See mammorisk simulate --help.",
            ) from None
        with show_progress(sys.stderr) as tell:
            study = simulate_study(
                n,
                seed=seed,
                out=out,
                images=pictures,
                workers=workers,
                age_range=(age_from, age_to),
                effects={
                    "questionnaire": questionnaire_effect,
                    "density_hr": density_hr,
                    "texture_hr": texture_hr,
                    "asymmetry_hr": asymmetry_hr,
                },
                follow_up_years=follow_up_years,
                recruitment_years=recruitment_years,
                loss_per_year=loss_per_year,
                design=design,  # type: ignore[arg-type]
                subcohort_fraction=subcohort_fraction,
                controls_per_case=controls_per_case,
                prior_share=prior_share,
                sites=sites,
                vendors=DEFAULT_VENDORS if vendors is None else tuple(vendors.split(",")),
                pixel_mm=spacing,
                exponent=exponent,
                for_processing=for_processing,
                compression=compression,  # type: ignore[arg-type]
                lesions={
                    "mass": masses,
                    "calcifications": calcifications,
                    "asymmetry": asymmetries,
                    "distortion": distortions,
                },
                on_progress=tell,
            )
        women = study.women
    summary = {
        "folder": str(out),
        "rows": len(women),
        "cancers": int((women["event"] == 1).sum()),
        "exams_rendered": len(study.cohort) if pictures else 0,
    }
    if as_json:
        typer.echo(json.dumps(summary))
        return
    typer.echo(
        f"SIMULATED study in {out}: {summary['rows']:,} women, {summary['cancers']:,} cancers, "
        f"{summary['exams_rendered']:,} with images"
    )
    typer.echo(f"Next: mammorisk predict --cohort {out} --out risks.parquet")
