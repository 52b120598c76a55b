"""Rendering of HTML pages from the templates of a package."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_page(package: str, template: str, **content: object) -> str:
    """Return a page; all texts of its content, such as titles and queries, are escaped.

    Args:
        package: the package with the folder `templates`.
        template: name of the template's file.
        content: what the template names; a name that is missing is an error.
    """
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(content)
