<?xml version="1.0" encoding="UTF-8"?>
<!-- Makes the policy "permissions" from the default policy of EU DSS: what signers of a PDF forbid is not to have been done.
     The default warns of it only. -->
<xsl:stylesheet version="1.0"
                xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:p="http://dss.esig.europa.eu/validation/policy"
                exclude-result-prefixes="p">

  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>

  <xsl:template match="/p:ConstraintsParameters/@Name">
    <xsl:attribute name="Name">default policy, permissions enforced</xsl:attribute>
  </xsl:template>

  <xsl:template match="p:DocMDP/@Level|p:FieldMDP/@Level|p:SigFieldLock/@Level|p:UndefinedChanges/@Level|p:PdfVisualDifference/@Level|p:PdfAnnotationOverlap/@Level">
    <xsl:attribute name="Level">FAIL</xsl:attribute>
  </xsl:template>
</xsl:stylesheet>
